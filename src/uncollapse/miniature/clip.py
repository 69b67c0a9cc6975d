"""The miniature's CLIP: an ordinary `CLIPModel`, trained contrastively on the world's pictures and captions.

Its text tower, frozen, conditions the denoiser; both towers serve CLIP-T and CLIP-I.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from .device import best_device
from .loop import Round, fit
from .pixels import normalise, to_tensor
from .pool import held_out_scene, pick_captions
from .tokenizer import MAX_LENGTH
from .world import describe, render

# One part: every caption of the batch is a wrong answer for every other picture.
ROUNDS = (Round(steps=1600, batch=128, lr=1e-3, weight_decay=0.05, parts=1),)


def build_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """An untrained model of the miniature's size."""
    special = dict(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    text = dict(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        pad_token_id=tokenizer.pad_token_id,
        projection_dim=128,
        **special,
    )
    vision = dict(
        image_size=64,
        patch_size=8,
        hidden_size=96,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        projection_dim=128,
    )
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128, **special))


def train_clip(
    pictures: Tensor,
    captions: Tensor,
    tokenizer: CLIPTokenizer,
    folder: Path,
    rounds: Sequence[Round] = ROUNDS,
) -> CLIPModel:
    """Train on pictures ``[n, 64, 64, 3]``, each with one of its captions ``[n, captions, length]``."""
    torch.manual_seed(0)
    model = build_clip(tokenizer)
    model.set_attn_implementation("eager")  # faster than the fused kernels for heads as small as these
    pictures, captions = pictures.to(best_device()), captions.to(best_device())

    def loss(generator: torch.Generator, batch: int) -> Tensor:
        chosen = torch.randperm(len(pictures), generator=generator, device=generator.device)[:batch]
        ids = pick_captions(captions, chosen, generator)
        longest = int((ids == tokenizer.eos_token_id).int().argmax(1).max()) + 1
        ids = ids[:, :longest]  # what follows the end is padding, which no word before it sees
        found: Tensor = model(input_ids=ids, pixel_values=normalise(pictures[chosen]), return_loss=True).loss
        return found

    return fit("clip", model, loss, rounds, folder)


@torch.no_grad()
def retrieval(
    model: CLIPModel, tokenizer: CLIPTokenizer, *, complete: bool, batches: int = 8, size: int = 64
) -> float:
    """Share of held-out pictures whose nearest caption of ``size`` is their own, over ``batches`` batches.

    Args:
        complete: with captions that name everything; otherwise as in training, where things are left unsaid
            and another picture's caption may be true as well. Equal captions count as one.
    """
    rng, hits = random.Random("retrieval"), 0
    for b in range(batches):
        scenes = [held_out_scene(b * size + i) for i in range(size)]
        captions = [describe(s, rng, complete=complete) for s in scenes]
        tokens = tokenizer(captions, padding=True, return_tensors="pt")
        logits = model(**tokens, pixel_values=to_tensor([render(s) for s in scenes])).logits_per_image
        nearest = [captions[i] for i in logits.argmax(1).tolist()]
        hits += sum(a == b for a, b in zip(nearest, captions, strict=True))
    return hits / (batches * size)
