"""The strength, measured: which way of adjusting serves this concept, found with few pictures; a preset.

keep      what the user would rather keep, and what that makes of a figure for context and one for likeness
family    the ways that are tried
trials    trying them: the denoiser first, then pictures, more of them for those that do well
preset    what was found, as a file that Python and the commands read
"""

from .family import family
from .keep import Keep
from .preset import Preset, fingerprints, read_preset
from .trials import Candidate, Tuned, TuneSettings, tune, tuning

__all__ = [
    "Candidate",
    "Keep",
    "Preset",
    "TuneSettings",
    "Tuned",
    "family",
    "fingerprints",
    "read_preset",
    "tune",
    "tuning",
]
