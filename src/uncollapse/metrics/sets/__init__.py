"""Statistics of sets of sentence vectors: how far two are apart, how spread out one is.

distances    between two sets
spread       within one
covariance   one that can be inverted, from fewer sentences than dimensions
bootstrap    how far a figure would move with other contexts
published    the same as the paper defines it, for comparison

Vectors are ``[sentences, dim]``; what may be imported from here is below.
"""

from .bootstrap import Interval, mean_interval, set_intervals
from .covariance import Gaussian, fit_gaussian
from .distances import Distances, distances, energy, euclidean, gaussian_kl, hausdorff, mahalanobis, mmd
from .published import Published, published
from .spread import SetSpread, set_spread

__all__ = [
    "Distances",
    "Gaussian",
    "Interval",
    "Published",
    "SetSpread",
    "distances",
    "energy",
    "euclidean",
    "fit_gaussian",
    "gaussian_kl",
    "hausdorff",
    "mahalanobis",
    "mean_interval",
    "mmd",
    "published",
    "set_intervals",
    "set_spread",
]
