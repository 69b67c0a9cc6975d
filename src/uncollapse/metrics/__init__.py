"""Numbers about images: what CLIP says of them, and how sure a mean or a share is."""

from .certainty import Share, Spread, share, spread_over_seeds
from .clip import ClipScorer, clip_i, clip_t

__all__ = ["ClipScorer", "Share", "Spread", "clip_i", "clip_t", "share", "spread_over_seeds"]
