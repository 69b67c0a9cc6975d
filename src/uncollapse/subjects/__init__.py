"""What a front end draws from, put together of what the user names; command, page and node call the same.

    subject     `assembled`: pipeline, concept and measures of the user's parts, or of a bundled miniature
    models      which model a word means, and how one is loaded
    anchor      what the concept is, where nobody said so
    bundled     a miniature's own concept, and what the miniature knows of it

Nothing here prints. What was chosen in the user's stead comes back as *notes*: texts to show, and as an
`UncollapseWarning` what is doubtful.
"""

from .anchor import Note, anchor_within, suggested_anchor
from .bundled import BUNDLED_BETA, Bundled, bundled
from .models import chosen_miniature, located, miniature_called, quiet_pipeline
from .subject import (
    Parts,
    Subject,
    assembled,
    base_pipeline,
    bundled_subject,
    measured_subject,
    own_subject,
)

__all__ = [
    "BUNDLED_BETA",
    "Bundled",
    "Note",
    "Parts",
    "Subject",
    "anchor_within",
    "assembled",
    "base_pipeline",
    "bundled",
    "bundled_subject",
    "chosen_miniature",
    "located",
    "measured_subject",
    "miniature_called",
    "own_subject",
    "quiet_pipeline",
    "suggested_anchor",
]
