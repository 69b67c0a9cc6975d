"""What files call encoders: the models' own configurations say what each is."""

import pytest

from toys.whole_pipelines import build
from uncollapse.components import ENCODERS, FAMILIES, ONLY, encoder_name
from uncollapse.components.names import BY_WIDTH, WIDTHS


def test_every_family_has_names_that_files_use():
    assert {name for names in FAMILIES.values() for name in names} == set(ENCODERS)
    assert set(BY_WIDTH.values()) == set(ENCODERS)
    assert set(BY_WIDTH) < set(WIDTHS)
    assert ONLY not in ENCODERS


def test_the_families_are_those_of_transformers():
    pipe = build("SD3")
    kinds = [getattr(pipe, f"text_encoder{i}").config.model_type for i in ("", "_2", "_3")]
    assert set(kinds) <= set(FAMILIES)
    taken = []
    for kind in kinds:
        taken.append(encoder_name(kind, taken, "none"))
    assert taken == ["clip_l", "clip_g", "t5xxl"]


@pytest.mark.parametrize(
    ("kind", "taken", "expected"),
    [
        ("clip", (), "clip_l"),
        ("clip_text_model", ("clip_l",), "clip_g"),
        ("clip_text_model", ("clip_l", "clip_g"), "text_encoder_9"),
        ("t5", ("t5xxl",), "text_encoder_9"),
        ("qwen3", (), "text_encoder_9"),
        ("", (), "text_encoder_9"),
    ],
)
def test_the_next_free_name(kind, taken, expected):
    assert encoder_name(kind, taken, "text_encoder_9") == expected
