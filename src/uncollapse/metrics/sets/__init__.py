"""Statistics of sets of sentence vectors: how far two are apart, how spread out one is.

distances    between two sets
spread       within one
covariance   one that can be inverted, from fewer sentences than dimensions
bootstrap    how far a figure would move with other contexts
published    the same as the paper defines it, for comparison
"""
