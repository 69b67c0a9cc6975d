"""The shapes that the library states are checked wherever its tests use it: see conftest.py."""

from importlib import import_module

import pytest
import torch
from jaxtyping import TypeCheckError

from toys.shapes import CHECKED

geometry, adjustment, anchors, clip, bootstrap, covariance, distances, spread = map(import_module, CHECKED)

TWO, THREE = torch.ones(4, 2), torch.ones(4, 3)
WRONG = {
    geometry: lambda: geometry.turn(TWO, THREE, 0.5),
    adjustment: lambda: adjustment.turn_and_scale(TWO, THREE, 0.5, 1.0, 0.0),
    anchors: lambda: anchors.anchor_vector(TWO[0], [0]),
    clip: lambda: clip.clip_i(TWO, THREE),
    bootstrap: lambda: bootstrap.mean_interval(TWO),
    covariance: lambda: covariance.fit_gaussian(TWO, THREE),
    distances: lambda: distances.energy(TWO, THREE),
    spread: lambda: spread._nearest(TWO.double(), 2),
}


@pytest.mark.parametrize("module", WRONG, ids=lambda module: module.__name__)
def test_a_wrong_shape_is_refused(module):
    with pytest.raises(TypeCheckError, match=r"dim|contexts|pairs"):
        WRONG[module]()


def test_each_module_is_tried():
    assert {module.__name__ for module in WRONG} == set(CHECKED)
