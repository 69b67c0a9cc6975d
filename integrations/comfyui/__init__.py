"""TEA nodes: turn a personalised concept back toward a plain word, so that the rest of the prompt is heard.

The nodes themselves are in the package ``uncollapse``; this folder is how ComfyUI finds them.
"""

try:
    from uncollapse.comfyui import comfy_entrypoint
except ModuleNotFoundError as error:
    raise ImportError(
        "The TEA nodes need the package uncollapse. With the python that runs ComfyUI, type: "
        "python -m pip install -r requirements.txt (the file beside this one)."
    ) from error

__all__ = ["comfy_entrypoint"]
