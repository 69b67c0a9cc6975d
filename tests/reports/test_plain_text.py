"""What a terminal or a reader would not see is made visible; everything else stays."""

import sys
import unicodedata

from uncollapse.reports.plain_text import visible


def test_control_characters_and_turned_writing_are_visible():
    for code in range(sys.maxunicode + 1):
        kind = unicodedata.category(chr(code))
        control = kind in ("Cc", "Cs") and chr(code) not in "\t\n"
        bidirectional = unicodedata.bidirectional(chr(code)) in (
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )
        if control or bidirectional:
            assert visible(chr(code)) == "�", hex(code)
    for text in ("a cat", "día 猫 кот שלום", "👩‍🚀", "tab\tand\nline", "[/v] cat"):
        assert visible(text) == text
