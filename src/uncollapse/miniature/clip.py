"""The miniature's CLIP: an ordinary `CLIPModel`, trained contrastively on the world's pictures and captions.

Its text tower, frozen, conditions the denoiser; both towers serve CLIP-T and CLIP-I.
"""

import random
from pathlib import Path

import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from .loop import Schedule, fit
from .pixels import to_tensor
from .pool import held_out_scene, training_scene
from .tokenizer import MAX_LENGTH
from .world import describe, render

# One part: every caption of the batch is a wrong answer for every other picture.
SCHEDULE = Schedule(steps=1600, batch=128, lr=1e-3, weight_decay=0.05, parts=1)


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
    pictures: NDArray, tokenizer: CLIPTokenizer, folder: Path, schedule: Schedule = SCHEDULE
) -> CLIPModel:
    """Train on random training pairs; each picture is captioned anew whenever it is seen."""
    torch.manual_seed(0)
    model = build_clip(tokenizer)
    scenes = [training_scene(i) for i in range(len(pictures))]

    def loss(generator: torch.Generator, batch: int) -> Tensor:
        chosen = torch.randperm(len(scenes), generator=generator)[:batch].tolist()
        rng = random.Random(chosen[0])
        captions = [describe(scenes[i], rng) for i in chosen]
        tokens = tokenizer(captions, padding=True, return_tensors="pt")
        pixels = to_tensor(pictures[sorted(chosen)], model.device)
        order = sorted(range(batch), key=chosen.__getitem__)
        ids, mask = tokens.input_ids[order].to(model.device), tokens.attention_mask[order].to(model.device)
        return model(input_ids=ids, attention_mask=mask, pixel_values=pixels, return_loss=True).loss

    return fit("clip", model, loss, schedule, folder)


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
