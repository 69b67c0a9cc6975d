"""Two methods' cells with pictures, of which one is missing and one cannot be read."""

from dataclasses import replace

import pytest

from toys.cells import ARMS, CONTEXT, LIKENESS, PROMPTS, cells_of
from toys.figures import sketched
from toys.pictures import picture

TEA = ARMS[1]


@pytest.fixture(autouse=True)
def figures_are_sketched():
    """One that is drawn has been looked at."""
    with sketched():
        yield


@pytest.fixture(scope="package")
def evaluated(tmp_path_factory):
    """(cells, folder): the arm gains 5 of context with LoRA and 1 with TI, and loses 1 of likeness."""
    folder = tmp_path_factory.mktemp("evaluated")
    arms = ("base", *ARMS)

    def context(method):
        return lambda c, arm, p, s: (
            10.0 + (arm == TEA) * ({"LoRA": 5, "TI": 1}[method] + len(c) / 10) + 30 * (arm == "base")
        )

    def likeness(concept, arm, prompt, seed):
        if (concept, arm, seed) == ("dog", TEA, 1):
            return None
        return {"base": 0.0, TEA: 79.0 + len(concept) / 10}.get(arm, 80.0)

    cells = [
        replace(cell, picture=_name(cell))
        for method in ("LoRA", "TI")
        for values, score in ((context(method), CONTEXT), (likeness, LIKENESS))
        for cell in cells_of(values, arms=arms, score=score, method=method)
    ]
    for number, name in enumerate(dict.fromkeys(cell.picture for cell in cells)):
        if name:
            picture((number, 0, 0)).save(folder / name)
    (folder / "broken.png").write_bytes(b"no picture")
    return cells, folder


def _name(cell):
    if (cell.method, cell.concept, cell.seed) == ("TI", "cat", 0):
        return "broken.png" if cell.arm == TEA else ""
    return f"{cell.method}-{cell.concept}-{cell.arm}-{PROMPTS.index(cell.prompt)}-{cell.seed}.png"
