"""Textual Inversion on the miniature: one learned row of the token table, everything else frozen."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from uncollapse.learned_embeds import ONLY, LearnedEmbedding, write

from .concepts import PersonalConcept
from .denoiser import v_loss
from .pixels import to_tensor

PROMPTS = ("a photo of {}", "a picture of {}", "a photograph of {}", "{}")


@dataclass(frozen=True)
class TextualInversion:
    """How the row is trained; it starts as the row of the concept's anchor word."""

    steps: int = 300
    lr: float = 2e-2
    seed: int = 0


def train_textual_inversion(
    pipe: StableDiffusionPipeline,
    concept: PersonalConcept,
    placeholder: str,
    path: Path,
    settings: TextualInversion | None = None,
) -> Path:
    """Learn one row for ``placeholder`` and write it to ``path`` in diffusers' layout."""
    settings = settings or TextualInversion()
    torch.manual_seed(settings.seed)
    tokenizer, text_encoder, unet = pipe.tokenizer, pipe.text_encoder, pipe.unet
    anchor = tokenizer(concept.anchor, add_special_tokens=False).input_ids
    tokenizer.add_tokens(placeholder)
    text_encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    for model in (unet, text_encoder):
        model.requires_grad_(False)
    table = text_encoder.get_input_embeddings().weight
    row = tokenizer.convert_tokens_to_ids(placeholder)
    with torch.no_grad():
        table[row] = table[anchor].mean(0)
    learned = table[row].detach().clone().requires_grad_()
    optimizer = torch.optim.AdamW([learned], lr=settings.lr, weight_decay=0.0)
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    with torch.no_grad():
        latents = (
            pipe.vae.encode(to_tensor(concept.reference_images()).to(unet.device)).latents
            * pipe.vae.config.scaling_factor
        )
    table.requires_grad_()
    for step in range(settings.steps):
        prompts = [PROMPTS[(step + i) % len(PROMPTS)].format(placeholder) for i in range(len(latents))]
        tokens = tokenizer(prompts, padding="max_length", return_tensors="pt").input_ids.to(unet.device)
        with torch.no_grad():
            table[row] = learned
        generator = torch.Generator().manual_seed(settings.seed * 100_003 + step)
        loss = v_loss(unet, scheduler, latents, text_encoder(tokens).last_hidden_state, generator)
        (gradient,) = torch.autograd.grad(loss, table)
        learned.grad = gradient[row]
        optimizer.step()
    metadata = {"steps": str(settings.steps), "initialiser": concept.anchor}
    return write(path, LearnedEmbedding(placeholder, {ONLY: learned.detach()}, metadata))
