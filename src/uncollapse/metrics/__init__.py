"""Numbers about images: what CLIP says of them, and how sure a mean or a share is."""

from .clip import ClipScorer, clip_i, clip_t
from .spread import Share, Spread, share, spread_over_seeds

__all__ = ["ClipScorer", "Share", "Spread", "clip_i", "clip_t", "share", "spread_over_seeds"]
