"""A pipeline's modules, found in its ``components`` by the names that diffusers gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .protocols import Pipeline

__all__ = ["DENOISERS", "components_of", "denoiser", "inner_pipelines", "modules"]

DENOISERS = ("unet", "transformer")


def modules(pipe: Pipeline) -> dict[str, nn.Module]:
    """The parts that are networks, by name: text encoders, denoiser, autoencoder, …."""
    return {name: part for name, part in components_of(pipe).items() if isinstance(part, nn.Module)}


def denoiser(pipe: Pipeline) -> Any:
    """The U-Net or transformer; None where the pipeline has neither, or was loaded without."""
    return next((part for name in DENOISERS if (part := getattr(pipe, name, None)) is not None), None)


def inner_pipelines(pipe: Pipeline) -> dict[str, Pipeline]:
    """Pipelines that a combined pipeline is made of, by attribute: ``prior_pipe``, ``decoder_pipe``, …."""
    return {
        name: part
        for name, part in getattr(pipe, "__dict__", {}).items()
        if name.endswith("_pipe") and components_of(part)
    }


def components_of(pipe: Pipeline) -> Mapping[str, Any]:
    """The parts by name; none for what is no pipeline."""
    return getattr(pipe, "components", {})
