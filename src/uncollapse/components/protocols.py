"""What this library asks of pipelines, tokenizers and text encoders, for type checkers and for readers.

A pipeline is whatever has these parts: of diffusers, of a project that builds on it, or of a test. So nothing
is checked against these at run time; what is missing is said where it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import nn

__all__ = ["Pipeline", "TextEncoder", "Tokenizer", "TokenizesText"]


class Pipeline(Protocol):
    """A pipeline of diffusers.

    Which parts and methods it has besides depends on its class (``unet`` or ``transformer``,
    ``encode_prompt``, ``load_lora_weights``), so every other attribute is of type ``Any``.
    """

    @property
    def components(self) -> Mapping[str, Any]:
        """Its parts by name; None for those that were not loaded."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Draws: what it returns has ``images``."""

    def __getattr__(self, name: str) -> Any: ...


class TokenizesText(Protocol):
    """Makes token ids of text: all that an anchor is looked up with."""

    @property
    def all_special_ids(self) -> Sequence[int]: ...

    def __call__(self, text: Any, **options: Any) -> Mapping[str, Any]:
        """``"input_ids"``, and with ``return_offsets_mapping`` where in the text each is."""


class Tokenizer(TokenizesText, Protocol):
    """A tokenizer of transformers, fast or slow."""

    model_max_length: int

    @property
    def all_special_tokens(self) -> Sequence[str]: ...

    @property
    def pad_token_id(self) -> int | None: ...

    @property
    def bos_token_id(self) -> int | None: ...

    @property
    def eos_token_id(self) -> int | None: ...

    def __len__(self) -> int:
        """How many tokens it knows, learned ones included."""

    def get_vocab(self) -> dict[str, int]:
        """Every token and its id."""

    def get_added_vocab(self) -> dict[str, int]:
        """The tokens that were added, special ones included, and their ids."""

    def add_tokens(self, new_tokens: Any) -> int:
        """Add a token or several; returns how many were new."""

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """An id for a token, a list of them for a list."""

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """A token for an id, a list of them for a list."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text, no special ones added."""

    def decode(self, token_ids: Any, **options: Any) -> str:
        """The text that token ids stand for."""


class TextEncoder(Protocol):
    """A text encoder of transformers; any other attribute is of type ``Any``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Token ids, ``[n, tokens]``, to an output with ``last_hidden_state``, ``[n, tokens, dim]``."""

    def get_input_embeddings(self) -> nn.Module:
        """The token table; read it with ``token_table``, which says what is wrong with it."""

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Read vectors from another token table."""

    def resize_token_embeddings(self, new_num_tokens: int, *, mean_resizing: bool) -> nn.Module:
        """Give the token table as many rows; returns it."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Its weights."""

    @property
    def device(self) -> torch.device: ...

    def __getattr__(self, name: str) -> Any: ...
