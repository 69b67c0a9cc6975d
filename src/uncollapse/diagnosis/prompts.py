"""Prompt level: what the concept does to the words around it, in the text encoder's output.

Each context is encoded with V* by the personalised encoder and with the anchor by the base one. Token by
token, words paired with themselves as in ``alignment``,

    drift of a word   1 − cos(h, h₀)    h its vector in "V* in the snow", h₀ in "dog in the snow"

for the context's words, where it is *leak*: they are the same words in both; for the concept's own
tokens, where some of it is the likeness; and for the last token (EOS), which carries the whole sentence
and which the sets P_V* and P_c are made of.

Positions are right because there is no padding: sentences of one length go together, so an encoder that looks
left only (CLIP) and one that looks both ways (T5) hear what they would hear alone, and a last pad slot is
never mistaken for EOS. Norms are compared too, although at prompt level a final LayerNorm holds them.

Source: arXiv:2506.22685 (P_V*, P_c); the pairing and the three kinds of token are ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..adjusters import Adjuster, Beside, Places, Role
from ..alignment import ALONE, locate, pair_tokens, phrase_of_tokens
from ..components import FAMILIES, Pipeline, TextEncoder, Tokenizer, encoders_of
from ..concept import Concept
from ..errors import AdjustmentError, PipelineError
from ..geometry import norm
from ..pipelines.anchor_encoder import base_encoder
from ..placeholders import learned_tokens, substitute
from .contexts import Contexts

__all__ = [
    "EncodedSentence",
    "PromptDrift",
    "adjusted_ends",
    "encode",
    "encode_both",
    "encoder_of",
    "prompt_drift",
    "token_counts",
]

TOKENS_AT_ONCE = 4096  # rows × length: 64 sentences of 64 tokens


@dataclass(frozen=True)
class EncodedSentence:
    """One sentence as a text encoder hears it.

    Args:
        text: with learned tokens of several vectors written out.
        ids: its tokens, BOS and EOS included, no padding.
        vectors: ``[tokens, dim]``, the encoder's last hidden state.
    """

    text: str
    ids: tuple[int, ...]
    vectors: Tensor


@dataclass(frozen=True)
class PromptDrift:
    """The drift of every context, and the sets of sentence vectors.

    Args:
        context: mean drift of the context's words, ``[contexts]``; nan where a context has none.
        concept: mean drift of the concept's own tokens, ``[contexts]``.
        pooled: drift of the last token, ``[contexts]``.
        norm_ratio: mean |h| / |h₀| over all paired tokens, ``[contexts]``.
        P, Q: the last token's vectors of P_V* and P_c, ``[contexts, dim]``.
    """

    context: Tensor
    concept: Tensor
    pooled: Tensor
    norm_ratio: Tensor
    P: Tensor
    Q: Tensor


def encoder_of(pipe: Pipeline, name: str | None = None) -> tuple[Tokenizer, TextEncoder]:
    """A tokenizer and text encoder that can be diagnosed, a CLIP or a T5: by its name in ``encoders_of``, or
    the pipeline's first.

    Raises: PipelineError.
    """
    parts = encoders_of(pipe, "diagnose")
    tokenizer, encoder = parts[name or next(iter(parts))]
    kind = getattr(getattr(encoder, "config", None), "model_type", type(encoder).__name__)
    if kind not in FAMILIES:
        raise PipelineError(
            f"diagnose: the text encoder of {type(pipe).__name__} is a {kind}, but prompts are encoded here "
            "without its template, which only CLIP and T5 do without. Use the denoiser probe alone."
        )
    return tokenizer, encoder


def token_counts(pipe: Pipeline, name: str | None = None) -> tuple[Callable[[str], int], int]:
    """How many tokens a sentence has for a text encoder, as a function; and how many it takes."""
    tokenizer, _ = encoder_of(pipe, name)
    return (lambda text: len(_ids(tokenizer, _spelled(tokenizer, text)))), tokenizer.model_max_length


@torch.inference_mode()
def encode(tokenizer: Tokenizer, encoder: TextEncoder, sentences: Sequence[str]) -> list[EncodedSentence]:
    """Every sentence without padding: those of one length together, shortest first, at no waste."""
    texts = [_spelled(tokenizer, sentence) for sentence in sentences]
    rows = [tuple(_ids(tokenizer, text)) for text in texts]
    vectors: dict[int, Tensor] = {}
    for batch in _of_one_length(rows):
        ids = torch.tensor([rows[i] for i in batch], device=_device(encoder))
        hidden = encoder(input_ids=ids).last_hidden_state.cpu()
        vectors |= dict(zip(batch, hidden, strict=True))
    return [
        EncodedSentence(text, row, vectors[i]) for i, (text, row) in enumerate(zip(texts, rows, strict=True))
    ]


def prompt_drift(
    tokenizer: Tokenizer, concept: Concept, ours: Sequence[EncodedSentence], base: Sequence[EncodedSentence]
) -> PromptDrift:
    """Compare sentences with V* (``ours``) with the same with the anchor (``base``), pair by pair.

    Raises: PipelineError, when a sentence is not the other with the anchor in it.
    """
    rows = [_compared(tokenizer, concept, one, other) for one, other in zip(ours, base, strict=True)]
    columns = torch.tensor(rows, dtype=torch.float64).T
    P, Q = (torch.stack([each.vectors[-1] for each in encoded]).float() for encoded in (ours, base))
    context, own, pooled, ratio = columns
    return PromptDrift(context, own, pooled, ratio, P, Q)


def encode_both(
    pipe: Pipeline,
    concept: Concept,
    contexts: Contexts,
    base: Pipeline | None = None,
    encoder: str | None = None,
) -> tuple[list[EncodedSentence], list[EncodedSentence]]:
    """The contexts with V* by the pipeline's encoder, and with the anchor by the base's (adapters off).

    Args:
        pipe: with the concept in it; left as it was found.
        base: a pipeline that was never fine-tuned; None for ``pipe`` with its adapters off.
        encoder: which text encoder, by the name that files give it; None for the first.

    Raises: PipelineError.
    """
    tokenizer, ours = encoder_of(pipe, encoder)
    encoded = encode(tokenizer, ours, contexts.about(concept.placeholder))
    with base_encoder(pipe, base):
        theirs = encoder_of(pipe, encoder)[1]
        return encoded, encode(tokenizer, theirs, contexts.about(concept.anchor))


def adjusted_ends(
    tokenizer: Tokenizer,
    concept: Concept,
    ours: Sequence[EncodedSentence],
    base: Sequence[EncodedSentence],
    adjuster: Adjuster,
) -> Tensor:
    """The last token's vectors as an adjuster leaves them, ``[contexts, dim]``.

    It is given each sentence with V* whole, beside the same with the anchor, partner by partner.

    Raises: PipelineError, as ``prompt_drift``; AdjustmentError, for an adjuster that pairs padding too.
    """
    if adjuster.beside is Beside.RELEASED:
        raise AdjustmentError(
            f"diagnose: {adjuster.label} pairs places, of padding too, and sentences are compared without "
            "any here. Leave it out of what is diagnosed by text."
        )
    given = [
        (one.vectors.float(), other.vectors[pairs.partners].float(), pairs.places)
        for one, other in zip(ours, base, strict=True)
        for pairs in [_paired(tokenizer, concept, one, other)]
    ]
    knowing = adjuster.fitted(given)
    return torch.stack([knowing.adjust(*each)[-1] for each in given])


@dataclass(frozen=True)
class _Pairs:
    """For each token of a sentence with V* its partner in the one with the anchor, or ``ALONE``; and whether
    it is one of the concept's own, or no word at all (BOS, EOS)."""

    partners: Tensor
    own: Tensor
    special: Tensor

    @property
    def words(self) -> Tensor:
        """Those that can be compared."""
        return ~self.special & (self.partners != ALONE)

    @property
    def places(self) -> Places:
        role = torch.full_like(self.partners, int(Role.CONTEXT), dtype=torch.int8)
        role[self.own], role[self.special], alone = Role.CONCEPT, Role.REST, self.partners == ALONE
        role[alone] = Role.NONE
        return Places(role, ~alone)


def _paired(tokenizer: Tokenizer, concept: Concept, ours: EncodedSentence, base: EncodedSentence) -> _Pairs:
    placeholder = _spelled(tokenizer, concept.placeholder)
    twin = substitute(ours.text, [(placeholder, concept.anchor)])
    tokens, twins = locate(tokenizer, ours.ids, ours.text), locate(tokenizer, base.ids, twin.new_text)
    if tokens is None or twins is None or not twin.spans:
        raise PipelineError(
            f"prompt_drift(): {base.text!r} is not {ours.text!r} with '{concept.anchor}' for "
            f"'{concept.placeholder}', so their words cannot be paired. Encode the same contexts for both."
        )
    return _Pairs(
        torch.tensor(pair_tokens(tokens, twin.spans, twins, twin.new_spans)),
        torch.tensor(phrase_of_tokens(tokens, twin.spans)) != ALONE,
        torch.tensor(tokens.special),
    )


def _compared(
    tokenizer: Tokenizer, concept: Concept, ours: EncodedSentence, base: EncodedSentence
) -> tuple[float, ...]:
    """Drift of the context's words, of the concept's, of EOS, and the ratio of norms."""
    pairs = _paired(tokenizer, concept, ours, base)
    words, own = pairs.words, pairs.own
    h, h0 = ours.vectors.double(), base.vectors.double()[pairs.partners]
    drift = 1 - torch.cosine_similarity(h, h0, dim=-1)
    ratio = norm(h[words]) / norm(h0[words])
    return tuple(part.mean().item() for part in (drift[words & ~own], drift[words & own], drift[-1:], ratio))


def _spelled(tokenizer: Tokenizer, text: str) -> str:
    """Learned tokens of several vectors written out, ``<t> <t>_1``, as diffusers does."""
    for word in set(text.split()):
        names = learned_tokens(tokenizer, word) if word.startswith("<") else []
        if len(names) > 1:
            text = text.replace(word, " ".join(names))
    return text


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer(text)["input_ids"]
    return ids


def _device(encoder: TextEncoder) -> torch.device:
    return next(encoder.parameters()).device


def _of_one_length(rows: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Numbers of sentences to encode together: all of one length, at most ``TOKENS_AT_ONCE`` tokens."""
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        by_length[len(row)].append(i)
    for length in sorted(by_length):
        group, count = by_length[length], max(1, TOKENS_AT_ONCE // length)
        for start in range(0, len(group), count):
            yield group[start : start + count]
