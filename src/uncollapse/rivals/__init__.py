"""Other ways to change the same vectors, to be drawn beside the method.

lerp        v' = (1−α) v + α c: the straight line in place of the arc, norms included
weighting   the concept's own tokens times a number, as A1111 and ComfyUI do it
rescaling   learned rows as long as the vocabulary's
decor       the prompt without what it has along the concept's own directions
subspace    the prompt without its drift in the directions of the concept's drift over many prompts
released    what the paper's released code does, its errors included, for reproducing its figures

Each is an adjuster under a name, so commands take it as ``--arm`` and ``apply`` as ``adjuster=``.
"""

from .decor import Decor
from .lerp import Lerp
from .released import Released
from .rescaling import Rescale
from .subspace import Subspace
from .weighting import A1111, ComfyUI, Weight

__all__ = ["A1111", "ComfyUI", "Decor", "Lerp", "Released", "Rescale", "Subspace", "Weight"]
