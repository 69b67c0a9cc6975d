"""The method as nodes of ComfyUI, beside whatever text encoders it has.

    entrypoint   what ComfyUI's loader asks for: the nodes
    nodes        each node: its inputs, and what it does with them
    folders      the files that nodes read and write, which stay in ComfyUI's own folders
    reports      what a node says of what it did
    encoding     a prompt and its anchor twin, encoded by a CLIP and paired, as for diffusers' pipelines
    finished     the same for conditionings that other nodes have made
    words        which token of a prompt goes with which of its twin
    encoders     what the encoders within a CLIP are given and return, and having them answer otherwise
    vocabularies their token tables and tokenizers
    miniature    the bundled miniature as ComfyUI's model, to try them with

ComfyUI is imported inside functions alone, diffusers in the miniature alone, so that all of it can be
imported and tested without them. What is called a *clip* here is ComfyUI's ``comfy.sd.CLIP``: a tokenizer
and one or more text encoders, CLIP or not.
"""

from .entrypoint import comfy_entrypoint

__all__ = ["comfy_entrypoint"]
