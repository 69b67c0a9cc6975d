"""What the package shows, and what importing it costs."""

import subprocess
import sys

import uncollapse

PUBLIC = [
    "Adjustment",
    "AdjustmentError",
    "AnchorError",
    "Concept",
    "EmbeddingError",
    "FileFormatError",
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
    "slerp",
]
HEAVY = ["diffusers", "transformers", "peft", "accelerate", "matplotlib", "PIL", "scipy", "jaxtyping"]


def test_public_names_are_these_and_sorted():
    assert uncollapse.__all__ == PUBLIC == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(uncollapse, name).__doc__


def test_importing_it_loads_torch_and_nothing_heavier():
    code = f"import sys, uncollapse; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
