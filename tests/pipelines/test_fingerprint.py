"""Checksums see every change of a value and of its place; a fingerprint refuses what it cannot tell."""

import functools

import pytest
import torch
from torch import nn

from uncollapse.pipelines.fingerprint import PLACES, Uncertain, checksum, fingerprint

DTYPES = [
    torch.float32,
    torch.bfloat16,
    torch.float16,
    torch.float64,
    torch.int8,
    torch.bool,
    torch.complex64,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [1, 7, 8, 100, 8 * PLACES - 1, 8 * PLACES, 30 * PLACES + 11])
def test_any_one_value_that_changes_changes_it(size, dtype):
    values = torch.arange(size).remainder(2).to(dtype)
    before = checksum(values).item()
    for place in {0, size // 2, size - 1}:
        changed = values.clone()
        changed[place] = 1 if changed[place] == 0 else 0
        assert checksum(changed).item() != before
    assert checksum(values.clone()).item() == before


def test_two_rows_that_change_places_change_it():
    table = torch.randn(1000, 768)
    swapped = table.clone()
    swapped[[3, 35]] = table[[35, 3]]
    assert checksum(swapped) != checksum(table)


def test_a_view_has_the_checksum_of_its_copy():
    table = torch.randn(100, 33)
    for view in (table.T, table[3:, 1::2], table[1], table.expand(2, 100, 33)):
        assert checksum(view) == checksum(view.contiguous().clone())


@pytest.mark.parametrize("tensor", [torch.empty(3, device="meta"), torch.eye(3).to_sparse()], ids=str)
def test_values_out_of_reach_are_refused(tensor):
    with pytest.raises(Uncertain):
        checksum(tensor)


def doubled(module, args, output):
    return 2 * output


class Mine(nn.Linear):
    pass


def with_hook(hook):
    layer = nn.Linear(2, 2).eval()
    layer.register_forward_hook(hook)
    return layer


@pytest.mark.parametrize(
    "thing",
    [
        with_hook(doubled),
        with_hook(functools.partial(doubled)),
        Mine(2, 2).eval(),
        nn.Dropout(0.1).train(),
        doubled,
        functools.wraps(nn.Linear.forward)(lambda self, x: x),
    ],
    ids=["hook", "partial", "class", "dropout", "function", "disguised"],
)  # fmt: skip
def test_what_may_change_without_a_trace_is_refused(thing):
    with pytest.raises(Uncertain):
        fingerprint(thing)


def test_global_hooks_and_modes_are_refused():
    layer = nn.Linear(2, 2).eval()
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    with pytest.raises(Uncertain):
        fingerprint(layer)
    handle.remove()
    with torch.overrides.BaseTorchFunctionMode(), pytest.raises(Uncertain):
        fingerprint(layer)
    with torch.device("cpu"):
        assert fingerprint(layer) == fingerprint(layer)
