"""The layers of a LoRA file, whichever program wrote it: found, added to, taken out again.

    W' = W + s·B·A        s = alpha / rank, 1 where a file states no alpha

A file's own A and B keep every bit. What is added to a layer stands behind them, [A; A₊] and [B, B₊/s], with
an alpha that leaves s as it was: so ranks add up, and the first ``rank`` rows and columns are the own ones.

    diffusers   text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight, .up
    PEFT        the same with lora_A and lora_B
    kohya       lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight, .lora_up, .alpha

diffusers' newer files state their ranks and alphas a second time, in their metadata, and it believes these.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..admission import json_from
from ..errors import AdjustmentError, FileFormatError, ForeignFileError, Setting

__all__ = [
    "DENOISER",
    "Added",
    "Layer",
    "in_kohya",
    "is_down",
    "is_lora",
    "layers_of",
    "stem_of",
    "with_added",
]

DENOISER = "denoiser"
KINDS = {"lora_linear_layer.down": "lora_linear_layer.up", "lora.down": "lora.up"} | {
    "lora_A": "lora_B",
    "lora_down": "lora_up",
}
DOWN = re.compile(rf"(.+)\.({'|'.join(map(re.escape, KINDS))})\.weight")
ENTRY = re.compile(rf"\.(({'|'.join(map(re.escape, [*KINDS, *KINDS.values()]))})\.weight|alpha)$")
DIFFUSERS = re.compile(
    r"(text_encoder(?:_2)?)\.(?:text_model\.)?(encoder\.layers\.\d+\.(?:self_attn|mlp)\.\w+)"
)
KOHYA = re.compile(r"lora_te([12]?)_text_model_encoder_layers_(\d+)_(self_attn|mlp)_(\w+)")
DENOISERS = ("unet.", "transformer.", "lora_unet_", "lora_transformer_", "diffusion_model.")
BESIDE = ("bundle_emb.",)  # learned tokens in a LoRA, which stay as they are
STATED = "lora_adapter_metadata"  # diffusers' name for what it says of ranks and alphas

Added = dict[tuple[str, str], tuple[Tensor, Tensor]]
"""By part and module: A₊ ``[rank, in]`` and B₊ ``[out, rank]``, of scale 1."""


@dataclass(frozen=True)
class Layer:
    """A pair of matrices of a file.

    Args:
        part: "text_encoder", "text_encoder_2" or "denoiser".
        module: which layer of the part: "encoder.layers.0.self_attn.q_proj"; of a denoiser's the file's name.
        stem: how the file's keys begin.
        down, up: A ``[rank, in, …]`` and B ``[out, rank, …]``, as the file names the kinds.
        A, B: they.
        scale: s.
    """

    part: str
    module: str
    stem: str
    down: str
    up: str
    A: Tensor
    B: Tensor
    scale: float

    @property
    def names(self) -> set[str]:
        """Of its entries in the file, some of which may be missing."""
        return {f"{self.stem}.{each}" for each in (f"{self.down}.weight", f"{self.up}.weight", "alpha")}

    @property
    def rank(self) -> int:
        return len(self.A)

    def scaled(self, factor: float) -> tuple[Tensor, Tensor]:
        """What has to be added to it, so that it adds ``factor`` times as much as it does."""
        return self.A, (self.B.float() * (factor - 1) * self.scale).to(self.B.dtype)


def is_lora(names: object) -> bool:
    """Whether entries of a file are a LoRA's, by their names."""
    return isinstance(names, Mapping) and any(DOWN.fullmatch(str(name)) for name in names)


def is_down(name: str) -> bool:
    """Whether a file's entry is an A."""
    return DOWN.fullmatch(name) is not None


def stem_of(name: str) -> str:
    """Which layer of a file an entry belongs to."""
    return ENTRY.sub("", name)


def layers_of(file: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> list[Layer]:
    """The layers of a LoRA file.

    Raises: ForeignFileError, for a part that is of no known layout, in the text encoders above all: what is
        not understood can be neither scaled nor added to.
    """
    layers, known = [], set[str]()
    stated = _stated(file, metadata)
    for name, A in tensors.items():
        if not (found := DOWN.fullmatch(name)):
            continue
        stem, down = found.groups()
        part, module = _place(stem)
        names = [name, f"{stem}.{KINDS[down]}.weight", f"{stem}.alpha"]
        B = tensors.get(names[1])
        if B is None or B.ndim < 2 or A.ndim < 2 or B.shape[1] != len(A) or not len(A):
            raise FileFormatError(f"'{file}' is damaged: '{stem}' lacks one of its two matrices.")
        known |= set(names)
        alpha = tensors.get(names[2])
        scale = _stated_scale(stated, part, module) if alpha is None else float(alpha.flatten()[0]) / len(A)
        if not 0 < scale < math.inf:
            raise FileFormatError(f"'{file}' states an alpha for '{stem}' with which it does nothing.")
        layers.append(Layer(part, module, stem, down, KINDS[down], A, B, scale))
    for name in tensors:
        if name not in known and not name.startswith((*DENOISERS, *BESIDE)):
            raise ForeignFileError(
                f"'{file}' has '{name}', which is no layer of a LoRA as diffusers, PEFT or kohya's trainers "
                "write them. Convert it to one of these layouts first."
            )
    if not layers:
        raise ForeignFileError(f"'{file}' holds no layers of a LoRA.")
    return layers


def with_added(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], layers: list[Layer], added: Added
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of the file with more in it.

    Args:
        layers: of the file.
        added: to which layers, and what; a layer that the file lacks is made in the file's layout.
    """
    made, own = dict(tensors), {(each.part, each.module): each for each in layers}
    ranks = {key: (layer.rank, layer.scale) for key, layer in own.items()}
    like, several = _typical(layers), any(part == "text_encoder_2" for part, _ in (*own, *added))
    text = {key: len(A) for key, (A, _) in added.items() if key[0] != DENOISER}
    longest = max((rank + (own[key].rank if key in own else 0) for key, rank in text.items()), default=0)
    for key, (A, B) in added.items():
        layer = own.get(key) or _empty(*key, like, several, A, B)
        if key[0] != DENOISER:
            A, B = _padded(A, B, longest - layer.rank)
        A = torch.cat([layer.A, A.to(layer.A)])
        B = torch.cat([layer.B, (B.float() / layer.scale).to(layer.B)], dim=1)
        made[f"{layer.stem}.{layer.down}.weight"] = A
        made[f"{layer.stem}.{layer.up}.weight"] = B
        ranks[key] = len(A), layer.scale
        if f"{(layer if key in own else like).stem}.alpha" in tensors:
            made[f"{layer.stem}.alpha"] = torch.tensor(layer.scale * len(A))
    return made, _restated(metadata, ranks, {part for part, _ in added})


def _padded(A: Tensor, B: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The same, of a rank that all layers have: with transformers 5, diffusers takes one alpha for all of
    kohya's."""
    more = rank - len(A)
    return torch.cat([A, A.new_zeros(more, A.shape[1])]), torch.cat([B, B.new_zeros(len(B), more)], dim=1)


def _place(stem: str) -> tuple[str, str]:
    if found := DIFFUSERS.fullmatch(stem):
        return found[1], found[2]
    if found := KOHYA.fullmatch(stem):
        part = "text_encoder_2" if found[1] == "2" else "text_encoder"
        return part, f"encoder.layers.{found[2]}.{found[3]}.{found[4]}"
    if stem.startswith(DENOISERS):
        return DENOISER, stem
    return "", stem  # refused by its name


def _typical(layers: list[Layer]) -> Layer:
    """A layer whose names and dtype new ones take after: of a text encoder where there is one."""
    return next((each for each in layers if each.part != DENOISER), layers[0])


def _empty(part: str, module: str, like: Layer, several: bool, A: Tensor, B: Tensor) -> Layer:
    """A layer that the file lacks, of rank 0, as the file would have it.

    Args:
        several: whether the model has two text encoders, which kohya's names tell apart.
    """
    if like.stem.startswith("lora_"):
        stem = _kohya_stem(part, module, several)
    else:
        stem = f"{part}.text_model.{module}"
    down = "lora_linear_layer.down" if like.down == "lora.down" else like.down
    none_of_A, none_of_B = A[:0].to(like.A), B[:, :0].to(like.B)
    scale = like.scale if like.part != DENOISER else 1.0  # one for all, as for ranks
    return Layer(part, module, stem, down, KINDS[down], none_of_A, none_of_B, scale)


def _kohya_stem(part: str, module: str, several: bool) -> str:
    number = {"text_encoder": "1", "text_encoder_2": "2"}[part] if several else ""
    return f"lora_te{number}_text_model_{module.replace('.', '_')}"


def in_kohya(
    file: str, tensors: Mapping[str, Tensor], layers: list[Layer]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The file in kohya's layout, and for each of its entries the name that it had; none for a new alpha.

    Raises: AdjustmentError, where it is in that layout already, or is of a model that it has no names for.
    """
    if layers[0].stem.startswith("lora_"):
        raise AdjustmentError(f"{file} is in kohya's layout already. Leave ", Setting("kohya"), " out.")
    several = any(layer.part == "text_encoder_2" for layer in layers)
    found, names = dict[str, Tensor](), dict[str, str]()
    for layer in layers:
        if layer.part != DENOISER:
            stem = _kohya_stem(layer.part, layer.module, several)
        elif layer.stem.startswith("unet."):
            stem = f"lora_{layer.stem.replace('.', '_')}"
        else:
            raise AdjustmentError(
                f"{file}: kohya's layout is written for models with a U-Net only. Leave ",
                Setting("kohya"),
                " out.",
            )
        found[f"{stem}.alpha"] = torch.tensor(layer.scale * layer.rank)
        for old, new in (
            (f"{layer.down}.weight", "lora_down.weight"),
            (f"{layer.up}.weight", "lora_up.weight"),
        ):
            found[f"{stem}.{new}"] = tensors[f"{layer.stem}.{old}"]
            names[f"{stem}.{new}"] = f"{layer.stem}.{old}"
        if f"{layer.stem}.alpha" in tensors:
            names[f"{stem}.alpha"] = f"{layer.stem}.alpha"
    beside = {name: each for name, each in tensors.items() if name not in {*names.values()}}
    return found | beside, names | {name: name for name in beside}


def _stated(file: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """What diffusers' metadata say of ranks and alphas."""
    try:
        found = json_from(metadata.get(STATED, "{}"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise FileFormatError(f"'{file}' is damaged: its {STATED} is no JSON object.")
    return found


def _stated_scale(stated: Mapping[str, Any], part: str, module: str) -> float:
    """The scale that diffusers' own metadata state of a layer; 1 where they state none."""
    prefix = "unet" if part == DENOISER else part
    if f"{prefix}.r" not in stated:
        return 1.0
    name = module.removeprefix("unet.")

    def of(what: str, pattern: str) -> float:
        found = [value for end, value in stated.get(f"{prefix}.{pattern}", {}).items() if name.endswith(end)]
        return float(found[0] if found else stated[f"{prefix}.{what}"])

    return of("lora_alpha", "alpha_pattern") / of("r", "rank_pattern")


def _restated(
    metadata: Mapping[str, str], ranks: Mapping[tuple[str, str], tuple[int, float]], parts: set[str]
) -> dict[str, str]:
    """The metadata, with what diffusers' own state of these parts made true."""
    if STATED not in metadata:
        return dict(metadata)
    stated = _stated("it", metadata)
    for part in parts:
        of = {module.removeprefix("unet."): at for (where, module), at in ranks.items() if where == part}
        prefix = "unet" if part == DENOISER else part
        alphas = {module: rank * scale for module, (rank, scale) in of.items()}
        (r, _), *_ = Counter(rank for rank, _ in of.values()).most_common()
        (alpha, _), *_ = Counter(alphas.values()).most_common()
        stated |= {
            f"{prefix}.r": r,
            f"{prefix}.lora_alpha": alpha,
            f"{prefix}.target_modules": sorted(of),
            f"{prefix}.rank_pattern": {module: rank for module, (rank, _) in of.items() if rank != r},
            f"{prefix}.alpha_pattern": {module: each for module, each in alphas.items() if each != alpha},
        }
    return {**metadata, STATED: json.dumps(stated)}
