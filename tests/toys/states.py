"""What must come back as it was: ``state_of`` after an adjustment, ``everything`` after a training."""

from __future__ import annotations

import copy

import torch


def state_of(pipe) -> dict:
    """Everything an adjustment must give back: the pipeline's attributes, weights, and adapters' states."""
    layers = [layer for model in (pipe.text_encoder, pipe.unet) for layer in model.modules()]
    adapters = [layer for layer in layers if hasattr(layer, "_disable_adapters")]
    return {
        "attributes": dict(pipe.__dict__),
        "weights": copy.deepcopy(pipe.text_encoder.state_dict()),
        "grads": [parameter.requires_grad for parameter in pipe.text_encoder.parameters()],
        "adapters": [
            (
                x._disable_adapters,
                copy.copy(x._active_adapter),
                list(x.merged_adapters),
                dict(getattr(x, "scaling", {})),
            )
            for x in adapters
        ],
    }


def assert_same_state(before: dict, after: dict) -> None:
    """Bit for bit."""
    assert before["attributes"] == after["attributes"]
    assert before["grads"] == after["grads"]
    assert before["adapters"] == after["adapters"]
    assert before["weights"].keys() == after["weights"].keys()
    for name, weight in before["weights"].items():
        assert torch.equal(weight, after["weights"][name]), name


def everything(pipe) -> dict:
    """Every weight of a pipeline, every flag, and what its parts are."""
    models = {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    return {
        "parts": {name: id(part) for name, part in pipe.components.items()},
        "modules": {name: [type(module) for module in model.modules()] for name, model in models.items()},
        "weights": {f"{n}.{k}": v.clone() for n, m in models.items() for k, v in m.state_dict().items()},
        "flags": [p.requires_grad for model in models.values() for p in model.parameters()],
        "modes": [module.training for model in models.values() for module in model.modules()],
        "tokens": {n: len(part) for n, part in pipe.components.items() if n.startswith("tokenizer")},
    }


def assert_same(before: dict, after: dict) -> None:
    """Bit for bit."""
    assert before["weights"].keys() == after["weights"].keys()
    for name, weight in before["weights"].items():
        assert torch.equal(weight, after["weights"][name]), name
    for name in before.keys() - {"weights"}:
        assert before[name] == after[name], name
