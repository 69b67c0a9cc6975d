"""What ComfyUI's loader asks a node pack for."""

from __future__ import annotations

from typing import Any

from .nodes import NODES

__all__ = ["comfy_entrypoint"]


async def comfy_entrypoint() -> Any:
    """The pack, on ComfyUI's V3 node API.

    Raises: ImportError, outside ComfyUI.
    """
    from comfy_api.v0_0_2 import ComfyExtension, io

    class Pack(ComfyExtension):  # type: ignore[misc]
        async def get_node_list(self) -> list[type]:
            return [type(node.__name__, (node, io.ComfyNode), {"__doc__": node.__doc__}) for node in NODES]

    return Pack()
