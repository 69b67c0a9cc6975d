"""Is it collapsing? What a personalised concept has done to the words around it, measured.

    diagnose             all of the following, of a file or of a pipeline; training: of every checkpoint
    contexts             sentences around a class word; asked_contexts has new ones written
    drift                token level: learned rows beside their anchor
    prompts              prompt level: the words around the concept, in the text encoder's output
    probe                what the denoiser still hears of the context
    verdict              what it comes to, and what to try
    distances, spread    between two sets of sentence vectors, and within one; covariance and bootstrap help
    published            the same as the paper defines it, for comparison
    plots, report        figures and files

matplotlib and jinja2 are imported where a figure or a page is made, diffusers not at all.
"""
