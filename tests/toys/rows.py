"""Rows of random vectors beside their anchors, in every role: what an adjuster is given."""

from __future__ import annotations

import torch

from uncollapse.adjusters import Places

V, C = torch.randn(2, 2, 5, 8, generator=torch.Generator().manual_seed(0))
ROLES = torch.tensor([[3, 2, 1, 1, 3], [3, 2, 1, 0, 3]], dtype=torch.int8)
PLACES = Places(ROLES, ROLES > 0)
