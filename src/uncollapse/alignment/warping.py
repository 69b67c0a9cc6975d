"""Two sequences of which no tokens can be seen, paired in order by what their items look like."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["align"]

REPEAT, SKIP = 0.1, 0.1  # what it costs to use a partner twice, or to pass some over


def align(similarity: Tensor) -> list[int]:
    """Pair two sequences in order, so that partners resemble each other most.

        maximise  Σ_i similarity[i, j(i)] − REPEAT·(repeats) − SKIP·(jumps),   j(0) ≤ j(1) ≤ …

    Args:
        similarity: ``[prompt tokens, anchor tokens]``: 1 for the same, cosines of embeddings, ….

    Returns: ``j``, one partner for each of the prompt's tokens.
    Source: dynamic time warping, with every prompt token matched once (Sakoe and Chiba, 1978).

    >>> prompt, twin = torch.tensor([5, 6, 7, 8, 9]), torch.tensor([5, 7, 8, 9])
    >>> align((prompt[:, None] == twin).double())
    [0, 0, 1, 2, 3]
    """
    scores = similarity.detach().double().cpu()
    count, others = scores.shape
    back = torch.zeros(count, others, dtype=torch.long)
    best = scores[0] - SKIP * (torch.arange(others) > 0)
    nothing = torch.full((1,), -torch.inf, dtype=torch.float64)
    for i in range(1, count):
        step = torch.cat([nothing, best[:-1]])
        furthest, where = torch.cummax(step, 0)
        jump = torch.cat([nothing, furthest[:-1]]) - SKIP
        jumped_from = torch.cat([torch.zeros(1, dtype=torch.long), where[:-1]]) - 1
        ways = torch.stack([step, best - REPEAT, jump])
        value, way = ways.max(0)
        here = torch.arange(others)
        back[i] = torch.stack([here - 1, here, jumped_from]).gather(0, way[None])[0]
        best = scores[i] + value
    partner = int((best - SKIP * (torch.arange(others) < others - 1)).argmax())
    partners = [partner]
    for i in range(count - 1, 0, -1):
        partner = int(back[i, partner])
        partners.append(partner)
    return partners[::-1]
