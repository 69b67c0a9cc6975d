"""Test-time embedding adjustment for personalised text-to-image models that forget the rest of the prompt.

    import uncollapse as uc

    with uc.apply(pipe, "sks dog", anchor="dog", alpha=0.6, beta=1.0):    # undone on exit
        image = pipe("a photo of sks dog in the grand canyon").images[0]

    uc.adjust(prompt_embeds, anchor_embeds, alpha=0.6, beta=1.0)    # tensors from anywhere

Importing this loads torch and nothing heavier. Source of the method: arXiv:2506.22685.
"""

from . import learned_embeds, rivals
from .adjusters import ByRole
from .adjustment import Adjustment, adjust
from .concept import Concept
from .errors import (
    AdjustmentError,
    AnchorError,
    EmbeddingError,
    FileFormatError,
    ForeignFileError,
    OutputError,
    PipelineError,
    PlaceholderError,
    TrainingError,
    UncollapseError,
    UncollapseWarning,
)
from .geometry import angle, norm, slerp
from .pipelines import Handle, apply, remove

__version__ = "0.3.0"

__all__ = [
    "Adjustment",
    "AdjustmentError",
    "AnchorError",
    "ByRole",
    "Concept",
    "EmbeddingError",
    "FileFormatError",
    "ForeignFileError",
    "Handle",
    "OutputError",
    "PipelineError",
    "PlaceholderError",
    "TrainingError",
    "UncollapseError",
    "UncollapseWarning",
    "adjust",
    "angle",
    "apply",
    "learned_embeds",
    "norm",
    "remove",
    "rivals",
    "slerp",
]
