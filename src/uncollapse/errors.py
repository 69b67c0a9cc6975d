"""Everything the library raises, in one tree, so that one ``except`` catches it.

    UncollapseError
    ├── AdjustmentError      a setting out of range: alpha, beta, norm_blend, mask, level
    ├── EmbeddingError       vectors that cannot be adjusted: shape, dtype, zero length, opposite
    ├── AnchorError          an anchor that names nothing, or the placeholder itself
    ├── PlaceholderError     a placeholder that the tokenizer or the prompt does not hold
    ├── PipelineError        a pipeline, or a state of one, that cannot be adjusted safely
    ├── FileFormatError      a file that is missing, damaged, or of another layout
    ├── TrainingError        settings or photos that cannot be trained with, or a training that diverged
    └── OutputError          a place that cannot be written to

    UncollapseWarning        nothing is wrong, but something was probably not meant

The first four are also ``ValueError``. A message says what was called, what arrived, why that fails,
and what to type instead; the command line prints it and exits with 2.
"""

__all__ = [
    "AdjustmentError",
    "AnchorError",
    "EmbeddingError",
    "FileFormatError",
    "OutputError",
    "PipelineError",
    "PlaceholderError",
    "TrainingError",
    "UncollapseError",
    "UncollapseWarning",
]


class UncollapseError(Exception):
    """The root: whatever goes wrong on purpose in this library."""


class AdjustmentError(UncollapseError, ValueError):
    """A setting of the adjustment is out of range or contradicts another."""


class EmbeddingError(UncollapseError, ValueError):
    """These vectors cannot be adjusted."""


class AnchorError(UncollapseError, ValueError):
    """The anchor names nothing to move toward."""


class PlaceholderError(UncollapseError, ValueError):
    """The placeholder is not where it has to be, or is where it must not be."""


class PipelineError(UncollapseError):
    """The pipeline cannot be adjusted as it is."""


class FileFormatError(UncollapseError):
    """The file is missing, damaged, or holds something else."""


class TrainingError(UncollapseError):
    """The training cannot start, or cannot go on."""


class OutputError(UncollapseError):
    """The result cannot be written there."""


class UncollapseWarning(UserWarning):
    """The call went through, and probably did not do what was meant."""
