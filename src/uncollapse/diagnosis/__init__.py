"""Is it collapsing? What a personalised concept has done to the words around it, measured.

    distances, spread    between two sets of sentence vectors, and within one; covariance and bootstrap help
    published            the same as the paper defines it, for comparison
    contexts             sentences around a class word; asked_contexts has new ones written

Nothing here imports diffusers or matplotlib.
"""
