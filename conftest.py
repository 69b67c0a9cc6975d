"""What the examples in docstrings may assume: ``torch`` and ``uc``. Here, because they are in src."""

import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test and no example may reach for the network


@pytest.fixture(autouse=True, scope="session")
def _names(doctest_namespace):
    import torch

    import uncollapse

    doctest_namespace |= {"torch": torch, "uc": uncollapse}
