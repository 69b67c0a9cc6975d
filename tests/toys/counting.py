"""How often text encoders run, seen where they read their token tables.

Not by the classes' ``forward``: what is encoded is kept only while their methods are the library's own.
"""

from __future__ import annotations

import torch

from uncollapse.components import text_encoders


def count_encodes(pipe, monkeypatch) -> list:
    """The pipeline's text encoders as they run, a list that grows; and how many rows each was given."""
    read, embedding = [], torch.nn.functional.embedding

    def counting(ids, weight, *args, **kwargs):
        for encoder in text_encoders(pipe).values():
            table = getattr(encoder, "get_input_embeddings", lambda: None)()
            if table is not None and getattr(table, "weight", None) is weight:
                read.append((encoder, len(ids)))
        return embedding(ids, weight, *args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "embedding", counting)
    return read
