"""Is it collapsing? What a personalised concept has done to the words around it, measured.

    contexts             sentences around a class word; asked_contexts has new ones written
    drift                token level: learned rows beside their anchor
    prompts              prompt level: the words around the concept, in the text encoder's output
    probe                what the denoiser still hears of the context
    distances, spread    between two sets of sentence vectors, and within one; covariance and bootstrap help
    published            the same as the paper defines it, for comparison

Nothing here imports diffusers or matplotlib before it is needed.
"""
