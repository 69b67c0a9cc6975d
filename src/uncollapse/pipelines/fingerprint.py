"""Everything that a text encoder's answer depends on, as a few bytes; or word that it cannot be told.

Two calls with one fingerprint have one answer. It holds

    what the encoder is given: every argument, tensors by their content
    every module in it, with all its attributes: settings, configs, adapters and their switches, hooks
    every value of every parameter, buffer and other tensor that hangs on it, by a checksum
    autograd's, autocast's and torch's numerical modes

Attributes are read by pickling them, so what cannot be pickled has no fingerprint. Neither has what may
answer otherwise without a trace: code from outside the libraries that encoders are made of (a hook of yours,
a ``forward`` of your own) may read anything at all; dropout in training mode draws random numbers. What is
replaced inside a library's own functions (``torch.nn.functional.…``) is not seen.

A checksum is the sum of a tensor's 64-bit words, modulo 2⁶⁴, each multiplied by an odd number drawn for its
place modulo 4093. It reads memory once and moves with every value that is changed alone, whoever wrote it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import sys
import types
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Checksums", "Uncertain", "checksum", "fingerprint"]

KNOWN = {
    "accelerate", "bitsandbytes", "builtins", "diffusers", "huggingface_hub", "peft", "tokenizers", "torch",
    "torchao", "transformers", "uncollapse", *sys.stdlib_module_names,
}  # fmt: skip
"""Whose code says the same today and tomorrow, if it is given the same."""

BOOKS = frozenset(vars(nn.Module())) - {"training"}
"""Where a module keeps its parameters, parts, hooks …: most are empty, and then left out."""

PLACES = 4093

Checksums = dict[int, tuple[Tensor, int, int, int]]
"""By a tensor's id: the tensor, autograd's count of writes to it, its address, and its checksum."""


class Uncertain(Exception):  # noqa: N818
    """What an answer depends on cannot be told."""


def fingerprint(things: Any, hidden: Any = None, checksums: Checksums | None = None) -> bytes:
    """``things``, with all that hangs on them and the modes in force.

    Args:
        things: anything that can be pickled, and modules of the known libraries.
        hidden: an object that does not count, wherever it hangs.
        checksums: those known already of tensors that nobody has written to since, and to be added to.

    Raises: Uncertain.
    """
    if _watched():
        raise Uncertain("global hooks or torch modes are in force")
    written = io.BytesIO()
    writer = _Writer(written, hidden)
    try:
        writer.dump((_modes(), things))
        sums = _checksums(writer.tensors, {} if checksums is None else checksums)
    except Exception as error:  # whatever stands in an attribute may raise anything when it is pickled
        raise Uncertain(str(error)) from error
    told = hashlib.blake2b(written.getvalue())
    for tensor, its_sum in zip(writer.tensors, sums, strict=True):
        inference = tensor.is_inference()
        layout = (tensor.dtype, tensor.device, tuple(tensor.shape), tensor.stride())
        told.update(repr((*layout, tensor.requires_grad, inference, its_sum)).encode())
    return told.digest()


class _Writer(pickle.Pickler):
    """Pickles what is never read back: tensors are listed, functions and modules opened."""

    def __init__(self, file: io.BytesIO, hidden: Any) -> None:
        super().__init__(file, protocol=5)
        self.tensors: list[Tensor] = []
        self._hidden = hidden
        self._sound: set[type] = set()

    def reducer_override(self, thing: Any) -> Any:
        if thing is _is:
            return NotImplemented
        if thing is self._hidden:
            return _is, ("hidden",)
        if isinstance(thing, type):
            self._check(thing)
            return NotImplemented
        if isinstance(thing, Tensor):
            self.tensors.append(thing)
            return _is, (type(thing), len(self.tensors)), vars(thing) or None
        if isinstance(thing, nn.Module):
            if _draws(thing):
                raise Uncertain("it draws random numbers")
            return _is, (type(thing),), _attributes(thing)
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if isinstance(thing, types.MethodType):
            return _is, ("method",), (thing.__self__, thing.__func__)
        if type(thing).__module__ == "accelerate.hooks" and hasattr(thing, "prev_module_hook"):
            others = {k: v for k, v in vars(thing).items() if k != "prev_module_hook"}  # of another model
            return _is, (type(thing),), others
        return NotImplemented

    def _function(self, function: types.FunctionType) -> Any:
        if _foreign(function):
            raise Uncertain(f"{function.__qualname__} is of unknown code")
        contents = [cell.cell_contents for cell in function.__closure__ or ()]
        name = (function.__module__, function.__qualname__, function.__code__.co_firstlineno)
        return _is, name, (contents, function.__defaults__, function.__kwdefaults__)

    def _check(self, kind: type) -> None:
        """That a class and its bases are a known library's, and their methods their own."""
        for base in kind.__mro__:
            if base in self._sound:
                continue
            methods = (each for each in vars(base).values() if isinstance(each, types.FunctionType))
            if _root(base.__module__) not in KNOWN or any(map(_foreign, methods)):
                raise Uncertain(f"{base.__qualname__} is of unknown code")
            self._sound.add(base)


def _attributes(module: nn.Module) -> dict[str, Any]:
    """All but empty books, and the hooks that transformers adds at first use to note layers down."""
    own = {name: of for name, of in vars(module).items() if name not in BOOKS or of}
    for name in ("_forward_hooks", "_compiled_call_impl", "_output_capturing_hooks_installed"):
        own.pop(name, None)
    hooks = {number: hook for number, hook in module._forward_hooks.items() if not _notes_layers(hook)}
    return {**own, "_forward_hooks": hooks}


def _notes_layers(hook: Any) -> bool:
    return getattr(hook, "__globals__", {}).get("__name__") == "transformers.utils.output_capturing"


def _draws(module: nn.Module) -> bool:
    """Whether a module, in training mode, drops something at random or counts what it is given."""
    if not module.training:
        return False
    if isinstance(module, nn.modules.dropout._DropoutNd | nn.modules.batchnorm._NormBase):
        return getattr(module, "p", 1) > 0
    config = vars(module.config) if hasattr(module, "config") and hasattr(module.config, "__dict__") else {}
    rates = [rate for name, rate in [*vars(module).items(), *config.items()] if "drop" in name]
    each = [one for rate in rates for one in (rate.values() if isinstance(rate, dict) else [rate])]
    return any(isinstance(one, int | float) and one > 0 for one in each)


def _is(*what: Any) -> None:
    """What pickled things are said to be made by."""


def _root(module: str) -> str:
    return module.partition(".")[0]


def _foreign(function: types.FunctionType) -> bool:
    """Whether a function, or one that it wraps, is from outside the known libraries."""
    if _root(function.__globals__.get("__name__", "")) not in KNOWN:
        return True
    inner = getattr(function, "__wrapped__", None)
    return isinstance(inner, types.FunctionType) and inner is not function and _foreign(inner)


def _watched() -> bool:
    hooks = torch.nn.modules.module
    modes = [
        *torch.overrides._get_current_function_mode_stack(),  # type: ignore[no-untyped-call]
        *torch.utils._python_dispatch._get_current_dispatch_mode_stack(),
    ]
    return bool(
        hooks._global_forward_hooks
        or hooks._global_forward_pre_hooks
        or any(type(mode).__name__ != "DeviceContext" for mode in modes)
    )


def _modes() -> Any:
    devices = ("cuda", "cpu")
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        [(torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)) for device in devices],
        torch.get_default_dtype(),
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.flash_sdp_enabled(),  # type: ignore[no-untyped-call]
        torch.backends.cuda.mem_efficient_sdp_enabled(),  # type: ignore[no-untyped-call]
        torch.backends.cuda.math_sdp_enabled(),  # type: ignore[no-untyped-call]
        torch.get_num_threads(),
    )


@torch.no_grad()
def _checksums(tensors: Iterable[Tensor], known: Checksums) -> list[int]:
    tensors = list(tensors)
    news = [t for t in {id(t): t for t in tensors}.values() if not _is_known(t, known)]
    sums: dict[torch.device, list[tuple[Tensor, Tensor]]] = {}
    for tensor in news:
        sums.setdefault(tensor.device, []).append((tensor, checksum(tensor)))
    for of in sums.values():
        values = torch.stack([its_sum for _, its_sum in of]).tolist()  # in one go: a GPU is waited for once
        for (tensor, _), value in zip(of, values, strict=True):
            known[id(tensor)] = (tensor, _writes(tensor), tensor.data_ptr(), value)
    return [known[id(tensor)][-1] for tensor in tensors]


def _is_known(tensor: Tensor, known: Checksums) -> bool:
    return id(tensor) in known and known[id(tensor)][1:3] == (_writes(tensor), tensor.data_ptr())


def _writes(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


def checksum(tensor: Tensor) -> Tensor:
    """One int64, on the tensor's device; see above.

    Raises: Uncertain, where there are no values to read (meta, sparse and the like).
    """
    if tensor.device.type == "meta" or tensor.layout is not torch.strided:
        raise Uncertain("weights out of reach")
    plain = tensor.detach().as_subclass(Tensor).resolve_conj().resolve_neg()
    data = plain.contiguous().reshape(-1).view(torch.uint8)
    if data.storage_offset() % 8:
        data = data.clone()
    whole = len(data) // 8 * 8
    words, rest = data[:whole].view(torch.int64), data[whole:].to(torch.int64)
    odd = _odd(tensor.device)
    rows = len(words) // PLACES
    last = words[rows * PLACES :]
    total = (last * odd[1, : len(last)]).sum() + (rest * odd[2, : len(rest)]).sum()
    return total + (words[: rows * PLACES].view(rows, PLACES).sum(0) * odd[0]).sum() if rows else total


@functools.cache
def _odd(device: torch.device) -> Tensor:
    """Odd numbers, ``[3, PLACES]``, always the same."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(-(2**62), 2**62, (3, PLACES), generator=generator, device="cpu")
    return (2 * drawn + 1).to(device)
