"""Numbers about images: which there are, what CLIP says of them, and how sure a mean or a share is.

scores         every score that a picture can be given, declared once
preprocessing  from pictures to what a model of vision takes
clip           CLIP-T and CLIP-I
certainty      means with their spread, shares with their interval
sets           of sets of vectors: distances, spreads, intervals
"""

from .certainty import Share, Spread, share, spread_over_seeds
from .clip import ClipScorer, clip_i, clip_t
from .preprocessing import Preprocessing
from .scores import SCORES, Score, declare

__all__ = [
    "SCORES",
    "ClipScorer",
    "Preprocessing",
    "Score",
    "Share",
    "Spread",
    "clip_i",
    "clip_t",
    "declare",
    "share",
    "spread_over_seeds",
]
