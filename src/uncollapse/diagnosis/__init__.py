"""Is it collapsing? What a personalised concept has done to the words around it, measured.

    diagnose             all of the following, of a file or of a pipeline
    contexts             sentences around a class word; asked_contexts has new ones written
    drift                token level: learned rows beside their anchor
    prompts              prompt level: the words around the concept, in a text encoder's output
    probe                what the denoiser still hears of the context
    pictures             image space: drawn in context, measured by CLIP and a judge
    verdict              what it comes to, and what to try
    training             all of it over the checkpoints of a training; checkpoints, text_curves, previews
    distances, spread    between two sets of sentence vectors, and within one; covariance and bootstrap help
    prompt_figures       all of the prompt level, of one encoder
    published            the same as the paper defines it, for comparison
    plots, report        figures and files; training_plots, training_report; page, tables, results (JSON)

matplotlib and jinja2 are imported where a figure or a page is made, diffusers not at all.
"""
