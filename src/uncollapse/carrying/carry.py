"""A LoRA with the adjustment in it, for programs that know nothing of it; and the way back.

What moves vectors is fitted: the text encoders get a further low-rank part (``fitting``). What only turns the
LoRA down needs no fit: a copy of its own matrices with B times (factor − 1) behind them is exact. Either is
*added*, so the file's own tensors stand in the new one bit for bit, and its metadata say which they are:

    uncollapse.version, .model, .placeholder, .anchor    by what, for which model, of what, toward what
    uncollapse.way                                       how, as ``--arm`` takes it
    uncollapse.carried, .others_moved                    as ``Carried`` has them
    uncollapse.source, .source_sha256                    its name, and a checksum of its tensors
    uncollapse.source_layers                             {layer: what it was}, of those that differ
    uncollapse.source_metadata                           its own
    uncollapse.source_names                              {entry: its name there}, where the layout is another
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adjusters import Role
from ..baking import OURS, check_baked_output
from ..comparison import Arm, typed_arm
from ..components import Pipeline, text_encoders, tokenizers
from ..concept import Concept
from ..errors import (
    AdjustmentError,
    FileFormatError,
    ForeignFileError,
    PipelineError,
    PlaceholderError,
    Setting,
    UncollapseWarning,
)
from ..models.loading import check_trigger
from ..output import save_safetensors
from ..pipelines import level_of
from ..vocabulary.words import whole_words
from ..weight_files import opened
from .captions import captions
from .fitting import Aims, FitSettings, Part, aims, encoded, fit, linears, off, part_in_force, staying
from .layers import (
    BESIDE,
    DENOISER,
    STATED,
    Added,
    Layer,
    in_kohya,
    is_down,
    is_lora,
    layers_of,
    stem_of,
    with_added,
)

__all__ = ["Carried", "bake_lora", "check_arm", "holds_lora", "unbake_lora", "work"]

ENOUGH = 0.8  # carried; less is warned of
SUFFIXES = {".safetensors", ".pt", ".bin"}


@dataclass(frozen=True)
class Carried:
    """What became of a LoRA.

    Args:
        output: the file that was written.
        fitted: whether by a fit; else it is exact.
        carried: the share of the adjustment that the file carries, 1 for all of it: of the squared distance
            over which the adjustment moves vectors, what is left out, on contexts that were not fitted.
        by_role: for "concept", "context" and "rest", how far vectors were from where the adjustment puts
            them, and how far they are now: squares, as a share of the vector's own.
        others_moved: how far texts without the concept have moved, as a share of their vectors' length.
        rank_own, rank_added: of the largest layer that was added to.
        layers: how many were added to.
        left: how many were not.
    """

    output: Path
    fitted: bool
    carried: float
    by_role: Mapping[str, tuple[float, float]]
    others_moved: float
    rank_own: int
    rank_added: int
    layers: int
    left: int


def holds_lora(path: str | Path) -> bool:
    """Whether a file is a LoRA, by the names in it; what cannot be read is none."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    try:
        return is_lora(opened(path)[0])
    except FileFormatError:
        return False


def bake_lora(
    source: str | Path,
    output: str | Path,
    pipe: Pipeline,
    concept: Concept,
    arm: Arm,
    settings: FitSettings | None = None,
    *,
    overwrite: bool = False,
    kohya: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> Carried:
    """Write a LoRA that does by itself what ``arm`` does, as nearly as a LoRA can.

    Args:
        source: a LoRA file of diffusers', PEFT's or kohya's layout, with or without a text half.
        output: a ``.safetensors`` file; it has the layout of the source, or kohya's where that is asked for.
        pipe: the model with this LoRA loaded (``models.load_lora``), and with no other.
        concept: its placeholder and anchor, and who encodes what; its adjuster is not used.
        arm: how: an adjuster, or the LoRA turned down.
        settings: of the fit.
        overwrite: whether ``output`` may exist, or be the source.
        kohya: write it in kohya's layout, which A1111, Forge and ComfyUI know from kohya's trainers.
        advance: called as the fit goes on, ``work(settings)`` in all.

    Returns: how much of the adjustment the file carries. Less than 0.8 is warned of.
    Raises: AdjustmentError, for what no file can carry; PipelineError, for a model whose text encoders are
        not all CLIP; PlaceholderError, FileFormatError, OutputError. Nothing is then written.
    """
    source, output, settings = Path(source), Path(output), settings or FitSettings()
    check_baked_output(output, overwrite)
    check_arm(arm)
    way = typed_arm(arm)
    tensors, metadata = opened(source)
    if OURS + "source_layers" in metadata:
        raise FileFormatError(
            f"{source}: is baked already, and baking it again would move it twice. Start from the file that "
            "uncollapse unbake gives back."
        )
    layers = layers_of(str(source), tensors, metadata)
    check_trigger(source, concept.placeholder)
    if kohya:
        in_kohya(str(source), tensors, layers)  # refused before the work
    if arm.adjuster is None:
        added = _turned_down(source, tensors, layers, arm)
        found = Carried(output, False, 1.0, {}, 0.0, *_counted(layers, added))
    else:
        concept = replace(concept, adjuster=arm.adjuster)
        added, figures = _fitted(pipe, concept, layers, settings, advance)
        found = Carried(output, True, *figures, *_counted(layers, added))
    made, said = with_added(tensors, metadata, layers, added)
    now = layers_of(str(output), made, said)
    said |= _provenance(source, tensors, metadata, layers, now)
    if kohya:
        made, names = in_kohya(str(source), made, now)
        said = {name: each for name, each in said.items() if name != STATED}
        said[OURS + "source_names"] = json.dumps(names)
    said |= _told(concept, way, found, pipe)
    save_safetensors(made, output, said)
    if found.carried < ENOUGH:
        warnings.warn(_little(found), stacklevel=2)
    return found


def work(settings: FitSettings) -> int:
    """How often, in all, a fit calls ``advance`` with 1."""
    return 2 * settings.captions + 1 + settings.steps


def check_arm(arm: Arm) -> None:
    """Raise AdjustmentError for a way to draw that no file can carry."""
    if arm.schedule is not None:
        raise AdjustmentError(
            f"bake(): '{arm.name}' changes from step to step, and a file is the same at every step. Draw "
            "with it instead: uncollapse generate."
        )
    if arm.call or not arm.personalised or (arm.adjuster and (arm.text_lora, arm.denoiser_lora) != (1, 1)):
        raise AdjustmentError(
            f"bake(): '{arm.name}' is no adjuster and no LoRA turned down. Take one of these."
        )


def _turned_down(source: Path, tensors: Mapping[str, Tensor], layers: list[Layer], arm: Arm) -> Added:
    known = {name for layer in layers for name in layer.names}
    strange = sorted(name for name in tensors if name not in known and not name.startswith(BESIDE))
    if strange and arm.denoiser_lora != 1:
        raise ForeignFileError(
            f"bake(): {source} has '{strange[0]}', which is not turned down with the rest. Draw with it "
            "instead: uncollapse generate."
        )
    added: Added = {}
    for layer in layers:
        factor = arm.denoiser_lora if layer.part == DENOISER else arm.text_lora
        if factor != 1:
            added[layer.part, layer.module] = layer.scaled(factor)
    if not added:
        raise AdjustmentError(
            f"bake(): '{arm.name}' changes nothing in {source}, which has no layers there. Take another way."
        )
    return added


def _fitted(
    pipe: Pipeline,
    concept: Concept,
    layers: list[Layer],
    settings: FitSettings,
    advance: Callable[[int], None],
) -> tuple[Added, tuple[float, Mapping[str, tuple[float, float]], float]]:
    _check_model(pipe, concept)
    said = captions(
        concept.anchor,
        _words(pipe),
        _fits(pipe, concept),
        settings.captions,
        settings.measured,
        settings.seed,
    )
    moving, still = aims(pipe, concept, said.fitted, advance), staying(pipe, concept, said.staying, advance)
    if not any(bool(roles.any()) for roles in moving.roles):
        raise PlaceholderError(
            f"bake(): in none of {len(said.fitted)} captions do the text encoders hear "
            f"'{concept.placeholder}'. Give the words that prompts use, with ",
            Setting("placeholder"),
            ".",
        )
    kept_back, others = aims(pipe, concept, said.kept_back), staying(pipe, concept, said.others)
    own = {(each.part, each.module): each for each in layers if each.part != DENOISER}
    if unknown := sorted(set(own) - set(linears(pipe))):
        raise ForeignFileError(f"The LoRA has layers that the model lacks, such as {' '.join(unknown[0])}.")
    off_at_first = {key: layer.scaled(0) for key, layer in own.items()}
    part = fit(pipe, off_at_first, moving, still, settings, advance)
    part = _rounded(part, own, layers)
    return part, _figures(pipe, part, kept_back, others)


def _check_model(pipe: Pipeline, concept: Concept) -> None:
    kinds = [str(getattr(each.config, "model_type", "")) for each in text_encoders(pipe).values()]
    if not kinds or not all(kind.startswith("clip") for kind in kinds):
        raise PipelineError(
            f"bake(): {type(pipe).__name__} reads prompts with {', '.join(kinds) or 'nothing'}, and LoRA "
            "files have a part for CLIP text encoders only, so no file could carry it. Draw with the "
            "adjustment instead: uncollapse generate."
        )
    if level_of(pipe, concept) == "token":
        raise PlaceholderError(
            f"bake(): '{concept.placeholder}' is a learned token, whose vectors are in an embedding file. "
            "Bake that file."
        )


def _words(pipe: Pipeline) -> list[str]:
    known = tokenizers(pipe)[0]
    return list(whole_words(known.backend_tokenizer, len(known)))  # type: ignore[attr-defined]


def _fits(pipe: Pipeline, concept: Concept) -> Callable[[str], bool]:
    """Whether all text encoders hear a caption to its end, with the concept in it and with the anchor."""
    known = tokenizers(pipe)

    def fits(template: str) -> bool:
        texts = [template.replace("{}", each) for each in (concept.placeholder, concept.anchor)]
        return all(len(t(text)["input_ids"]) < t.model_max_length for t in known for text in texts)

    return fits


def _rounded(part: Part, own: Mapping[tuple[str, str], Layer], layers: list[Layer]) -> Part:
    """The part as the file will hold it."""
    usual = next(iter(own.values()), replace(layers[0], scale=1.0))
    found = {}
    for key, (A, B) in part.items():
        like = own.get(key, usual)
        found[key] = A.to(like.A.dtype).float(), (B / like.scale).to(like.B.dtype).float() * like.scale
    return found


@torch.no_grad()
def _figures(
    pipe: Pipeline, part: Part, kept_back: Aims, others: Aims
) -> tuple[float, Mapping[str, tuple[float, float]], float]:
    with part_in_force(pipe, part):
        now, beside = (_encoded(pipe, each) for each in (kept_back, others))
    roles = torch.cat([each.flatten() for each in kept_back.roles])
    before, after = _off(kept_back.before, kept_back), _off(now, kept_back)
    by_role = {
        role.name.lower(): (before[roles == role].mean().item(), after[roles == role].mean().item())
        for role in Role
        if role and (roles == role).any()
    }
    there = before[roles != Role.NONE].sum().item()
    if there == 0:
        raise AdjustmentError(
            "bake(): the adjustment changes no prompt of this LoRA, so there is nothing to carry. Give "
            "another ",
            Setting("alpha"),
            ".",
        )
    carried = 1 - after[roles != Role.NONE].sum().item() / there
    return carried, by_role, _off(beside, others).mean().sqrt().item()


def _encoded(pipe: Pipeline, aimed: Aims) -> list[Tensor]:
    found = [encoded(pipe, aimed.texts[i : i + 8]) for i in range(0, len(aimed), 8)]
    return [torch.cat(each).cpu() for each in zip(*found, strict=True)]


def _off(vectors: list[Tensor], aimed: Aims) -> Tensor:
    return torch.cat([off(one, two).flatten() for one, two in zip(vectors, aimed.targets, strict=True)])


def _counted(layers: list[Layer], added: Added) -> tuple[int, int, int, int]:
    own = {(each.part, each.module): each.rank for each in layers}
    ranks = max((own.get(key, 0) + len(A), own.get(key, 0)) for key, (A, _) in added.items())
    return ranks[1], ranks[0] - ranks[1], len(added), len(set(own) - set(added))


def _provenance(
    source: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    layers: list[Layer],
    made: list[Layer],
) -> dict[str, str]:
    """What ``unbake_lora`` needs: of layers that the source has otherwise, what they were; 0 of new ones."""
    own = {(each.part, each.module): each for each in layers}
    changed: dict[str, Any] = {}
    for layer in made:
        before = own.get((layer.part, layer.module))
        if before is None:
            changed[layer.stem] = {"rank": 0}
        elif before.rank != layer.rank:
            alpha = tensors.get(f"{before.stem}.alpha")
            said = None if alpha is None else [alpha.item(), str(alpha.dtype).removeprefix("torch.")]
            changed[layer.stem] = {"rank": before.rank, "alpha": said}
    return {
        OURS + "source": source.name,
        OURS + "source_sha256": _checksum(tensors),
        OURS + "source_layers": json.dumps(changed),
        OURS + "source_metadata": json.dumps({k: v for k, v in metadata.items() if k != "format"}),
    }


def _told(concept: Concept, way: str, found: Carried, pipe: Pipeline) -> dict[str, str]:
    """What people and programs may want to know of the file."""
    from .. import __version__

    model = Path(str(getattr(pipe.config, "_name_or_path", ""))).name
    said = {
        "version": __version__,
        "model": model,
        "placeholder": concept.placeholder,
        "anchor": concept.anchor,
        "way": way,
        "carried": f"{found.carried:.3f}",
        "others_moved": f"{found.others_moved:.3f}",
    }
    return {OURS + name: value for name, value in said.items()}


def _little(found: Carried) -> UncollapseWarning:
    return UncollapseWarning(
        f"{found.output}: carries {found.carried:.0%} of the adjustment only. Try it before you trust it; a "
        "larger ",
        Setting("rank"),
        " carries a little more.",
    )


def unbake_lora(baked: str | Path, output: str | Path, *, overwrite: bool = False) -> Path:
    """Write the LoRA that was baked: its tensors bit for bit, and its metadata.

    Raises: ForeignFileError, for a LoRA that was not baked; FileFormatError, for one that was changed since;
        OutputError.
    """
    baked, output = Path(baked), Path(output)
    tensors, metadata = opened(baked)
    if OURS + "source_layers" not in metadata:
        raise ForeignFileError(f"{baked}: was not made by uncollapse bake, so there is nothing to undo.")
    check_baked_output(output, overwrite)
    try:
        if names := json.loads(metadata.get(OURS + "source_names", "{}")):
            tensors = {names[name]: each for name, each in tensors.items() if name in names}
        found = _source_tensors(tensors, json.loads(metadata[OURS + "source_layers"]))
        own = json.loads(metadata[OURS + "source_metadata"])
        whole = _checksum(found) == metadata[OURS + "source_sha256"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{baked}: what it says of its source is damaged.") from error
    if not whole:
        raise FileFormatError(f"{baked}: was changed after it was baked. Use a copy that nobody edited.")
    return save_safetensors(found, output, own)


def _source_tensors(tensors: Mapping[str, Tensor], changed: Mapping[str, Any]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in tensors.items():
        layer = changed.get(stem_of(name))
        if layer is None:
            found[name] = tensor
        elif layer["rank"] and name.endswith(".alpha"):
            if layer["alpha"] is not None:
                value, dtype = layer["alpha"]
                found[name] = torch.tensor(value, dtype=getattr(torch, dtype))
        elif layer["rank"]:
            axis = 0 if is_down(name) else 1
            found[name] = tensor.narrow(axis, 0, layer["rank"]).contiguous()
    return found


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
