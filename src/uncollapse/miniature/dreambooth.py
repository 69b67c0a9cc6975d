"""DreamBooth-LoRA on the miniature: five photographs, one prompt, adapters in the text encoder and the U-Net.

No prior preservation and no regularisation: the short recipe whose collapse the demo cures. The text encoder
learns by its queries and keys alone, that is, which word listens to which. Values and the layers after them
would rewrite every text, the empty one too, and guidance leads away from that: the likeness would go with it.
Faster U-Net adapters collapse as well, but where no adjustment of the text reaches.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from .concepts import PersonalConcept
from .denoiser import v_loss
from .pixels import to_tensor

TEXT_MODULES = ["q_proj", "k_proj"]
UNET_MODULES = ["to_q", "to_k", "to_v", "to_out.0"]


@dataclass(frozen=True)
class DreamBooth:
    """How the adapters are trained; the rates are per part."""

    steps: int = 200
    rank: int = 8
    text_lr: float = 4e-3
    unet_lr: float = 1e-3
    seed: int = 0


def train_dreambooth(
    pipe: StableDiffusionPipeline, concept: PersonalConcept, folder: Path, settings: DreamBooth | None = None
) -> Path:
    """Adapt ``pipe`` in place and write ``pytorch_lora_weights.safetensors`` into ``folder``."""
    settings = settings or DreamBooth()
    torch.manual_seed(settings.seed)
    unet, text_encoder = pipe.unet, pipe.text_encoder
    for model, modules in ((unet, UNET_MODULES), (text_encoder, TEXT_MODULES)):
        model.requires_grad_(False)
        model.add_adapter(
            LoraConfig(
                r=settings.rank,
                lora_alpha=settings.rank,
                target_modules=modules,
                init_lora_weights="gaussian",
            )
        )
    groups = [
        {"params": [p for p in model.parameters() if p.requires_grad], "lr": lr}
        for model, lr in ((unet, settings.unet_lr), (text_encoder, settings.text_lr))
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-4)
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    with torch.no_grad():
        images = to_tensor(concept.reference_images()).to(unet.device)
        latents = pipe.vae.encode(images).latents * pipe.vae.config.scaling_factor
    prompt = f"a photo of {concept.placeholder}"
    tokens = pipe.tokenizer(prompt, padding="max_length", return_tensors="pt").input_ids.to(unet.device)
    for step in range(settings.steps):
        prompt_embeds = text_encoder(tokens).last_hidden_state.expand(len(latents), -1, -1)
        generator = torch.Generator().manual_seed(settings.seed * 100_003 + step)
        loss = v_loss(unet, scheduler, latents, prompt_embeds, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    folder.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(unet)),
        text_encoder_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(text_encoder)),
        save_function=partial(_save_half, metadata={"format": "pt", "instance_prompt": prompt}),
    )
    return folder / "pytorch_lora_weights.safetensors"


def _save_half(tensors: dict[str, torch.Tensor], path: str, metadata: dict[str, str]) -> None:
    save_file({name: tensor.half() for name, tensor in tensors.items()}, path, metadata=metadata)
