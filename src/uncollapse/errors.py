"""Everything the library raises, in one tree, so that one ``except`` catches it.

    UncollapseError
    ├── AdjustmentError      a setting out of range: alpha, beta, norm_blend, mask, level
    ├── EmbeddingError       vectors that cannot be adjusted: shape, dtype, zero length, opposite
    ├── AnchorError          an anchor that names nothing, or the placeholder itself
    ├── PlaceholderError     a placeholder that the tokenizer or the prompt does not hold
    ├── PipelineError        a pipeline, or a state of one, that cannot be adjusted safely
    ├── FileFormatError      a file that is missing, damaged, or of another layout
    │   └── ForeignFileError a whole file of something else: no embedding, or one of another model
    ├── TrainingError        settings or photos that cannot be trained with, or a training that diverged
    ├── EvaluationError      figures that cannot be told apart or averaged, or answers that cannot be had
    └── OutputError          a place that cannot be written to

    UncollapseWarning        nothing is wrong, but something was probably not meant

The first four are also ``ValueError``. A message says what was called, what arrived, why that fails,
and what to type instead; the command line prints it and exits with 2.

A setting is typed differently in every front end, so a message holds a `Setting` where it means one, and
whoever shows the message says how it is spelled:

    error = AnchorError("What is it? Say so with ", Setting("anchor"), ".")
    str(error)                                       # What is it? Say so with anchor.
    error.told(lambda setting: f"--{setting}")       # What is it? Say so with --anchor.

A message that goes into another one takes its parts along: ``FileFormatError(f"{path}: ", *error.parts)``.
"""

from collections.abc import Callable

__all__ = [
    "AdjustmentError",
    "AnchorError",
    "EmbeddingError",
    "EvaluationError",
    "FileFormatError",
    "ForeignFileError",
    "OutputError",
    "PipelineError",
    "PlaceholderError",
    "Setting",
    "TrainingError",
    "UncollapseError",
    "UncollapseWarning",
]


class Setting(str):
    """The name of a setting within a message, as Python has it: "anchor", "checkpoint_steps"."""

    __slots__ = ()


class _Message:
    """What an exception says, made of parts; they are its ``args``, so that it can be pickled."""

    args: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The texts and the settings that the message is made of, in order."""
        return self.args

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings that the message is about."""
        return tuple(part for part in self.parts if isinstance(part, Setting))

    def told(self, spell: Callable[[Setting], str]) -> str:
        """The message, its settings as ``spell`` writes them."""
        return "".join(spell(part) if isinstance(part, Setting) else part for part in self.parts)

    def __str__(self) -> str:
        return self.told(str)


class UncollapseError(_Message, Exception):
    """The root: whatever goes wrong on purpose in this library.

    Args:
        parts: the message, in pieces where it names settings.
    """


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


class ForeignFileError(FileFormatError):
    """The file is whole, and not of this: it holds no embedding, or one that was made for another model."""


class TrainingError(UncollapseError):
    """The training cannot start, or cannot go on."""


class EvaluationError(UncollapseError):
    """The figures cannot be averaged or told apart, or the answers cannot be had."""


class OutputError(UncollapseError):
    """The result cannot be written there."""


class UncollapseWarning(_Message, UserWarning):
    """The call went through, and probably did not do what was meant.

    Args:
        parts: the message, in pieces where it names settings.
    """
