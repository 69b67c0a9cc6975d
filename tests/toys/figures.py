"""Figures at the pace of tests. Arranging a figure's parts takes longest, and each is written three times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from matplotlib.figure import Figure


@contextmanager
def arranged(times: int) -> Iterator[None]:
    """Within it a figure's parts are arranged the first ``times`` that it is written, and then stay."""
    savefig, written = Figure.savefig, "_written"

    def paced(figure: Figure, *args, **kwargs) -> None:
        before = getattr(figure, written, 0)
        if before >= times:
            figure.set_layout_engine(None)
        setattr(figure, written, before + 1)
        savefig(figure, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", paced)
        yield
