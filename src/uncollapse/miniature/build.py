"""``python -m uncollapse.miniature.build``: makes the whole miniature from nothing.

The stages run in order, each leaves its result in the work folder, and a stage whose result is there is
skipped, so that an interrupted build goes on where it stopped. The last stage writes the package data.
"""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import torch
import typer
from diffusers import AutoencoderTiny, ModelMixin, StableDiffusionPipeline, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer, PreTrainedModel

from uncollapse.output import save_safetensors
from uncollapse.training import train

from . import autoencoder, clip, denoiser, judge
from .card import write_card
from .concepts import DATA
from .device import best_device
from .loop import Round
from .measure import PROMPTS, RENDERS, measured
from .miniature import Miniature
from .pool import load_pool, training_captions, training_chances, training_foreground
from .recipes import RECIPES, save_photos
from .tokenizer import train_tokenizer

PICTURES = 32768
EMBEDDED = "dog"


def _shortened(plan: Round, fraction: float) -> Round:
    return replace(plan, steps=max(4, round(plan.steps * fraction)))


class Build:
    """The stages, each made of the ones before it; ``fraction`` shortens all training and measuring."""

    def __init__(self, work: Path, data: Path, fraction: float = 1.0, pictures: int = PICTURES) -> None:
        self.work, self.data, self.fraction, self.pictures = work, data, fraction, pictures
        self.made = Miniature(data)
        work.mkdir(parents=True, exist_ok=True)

    def _rounds(self, module: ModuleType) -> list[Round]:
        return [_shortened(plan, self.fraction) for plan in module.ROUNDS]

    def pool(self) -> torch.Tensor:
        return load_pool(self.work / "pictures.npy", self.pictures)

    def tidy_pool(self) -> torch.Tensor:
        return load_pool(self.work / "tidy.npy", self.pictures, tidy=True)

    def tokenizer(self) -> CLIPTokenizer:
        folder = self.work / "tokenizer"
        if not folder.exists():
            train_tokenizer().save_pretrained(folder)
        return CLIPTokenizer.from_pretrained(folder)

    def captions(self) -> torch.Tensor:
        path = self.work / "captions.safetensors"
        if not path.exists():
            save_file({"ids": training_captions(self.tokenizer(), self.pictures)}, path)
        return load_file(path)["ids"]

    def clip(self) -> CLIPModel:
        folder = self.work / "clip"
        if not folder.exists():
            data = self.pool(), self.captions(), self.tokenizer()
            _save(clip.train_clip(*data, self.work, self._rounds(clip)), folder)
        return CLIPModel.from_pretrained(folder).eval()

    def text_encoder(self) -> CLIPTextModel:
        self.clip()
        return CLIPTextModel.from_pretrained(self.work / "clip", dtype=torch.float32).eval()

    def autoencoder(self) -> AutoencoderTiny:
        folder = self.work / "vae"
        if not folder.exists():
            rounds = self._rounds(autoencoder)
            _save(autoencoder.train_autoencoder(self.pool(), self.work, rounds), folder)
        return AutoencoderTiny.from_pretrained(folder).float().eval()

    def latents(self) -> torch.Tensor:
        path = self.work / "latents.safetensors"
        if not path.exists():
            vae = self.autoencoder().to(best_device())
            latents = autoencoder.encode(vae, self.tidy_pool()) * vae.config.scaling_factor
            save_file({"latents": latents.half()}, path)
        return load_file(path)["latents"]

    def foreground(self) -> torch.Tensor:
        path = self.work / "foreground.safetensors"
        if not path.exists():
            save_file({"foreground": training_foreground(self.pictures).half()}, path)
        return load_file(path)["foreground"]

    def judge(self) -> None:
        path = self.work / "judge.safetensors"
        if not path.exists():
            model = judge.train_judge(self.pool(), self.work, self._rounds(judge))
            save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, path)

    def denoiser(self) -> UNet2DConditionModel:
        folder = self.work / "unet"
        if not folder.exists():
            empty = self.tokenizer()("", padding="max_length", return_tensors="pt").input_ids[0]
            unet = denoiser.train_denoiser(
                self.latents(),
                self.captions(),
                self.foreground(),
                training_chances(self.pictures),
                empty.int(),
                self.text_encoder(),
                self.work,
                self._rounds(denoiser),
            )
            _save(unet, folder)
        return UNet2DConditionModel.from_pretrained(folder).float().eval()

    def assemble(self) -> None:
        """Put the trained parts into the package data as an ordinary pipeline folder, a CLIP and a judge."""
        model = self.made.model
        pipe = StableDiffusionPipeline(
            vae=self.autoencoder(),
            text_encoder=self.text_encoder(),
            tokenizer=self.tokenizer(),
            unet=self.denoiser(),
            scheduler=denoiser.build_scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipe.save_pretrained(model)
        for part in ("vae", "text_encoder", "unet"):
            _halve(model / part)
        for config in model.rglob("*config.json"):
            _drop_derived(config)
        shutil.copytree(self.work / "clip", self.data / "clip", dirs_exist_ok=True)
        shutil.copy(self.work / "judge.safetensors", self.data / "judge.safetensors")
        (self.data / "training").mkdir(exist_ok=True)
        for log in self.work.glob("*.jsonl"):
            shutil.copy(log, self.data / "training")

    def concepts(self) -> None:
        """Teach the assembled model its personal concepts: a LoRA each, an embedding for one."""
        for name in self.made.concepts:
            self._taught(name, "dreambooth", "pytorch_lora_weights.safetensors")
        self._taught(EMBEDDED, "textual inversion", "learned_embeds.safetensors")

    def _taught(self, name: str, recipe: str, file: str) -> None:
        result = self.data / "concepts" / name / file
        if result.exists():
            return
        concept, steps = self.made.concepts[name], RECIPES[recipe].given["steps"]
        settings = RECIPES[recipe].settings(concept, steps=max(2, round(steps * self.fraction)))
        photos = save_photos(concept, self.work / "photos" / name)
        folder = self.work / "trainings" / f"{name}, {recipe}"
        pipe = self.made.pipeline()
        train(pipe, photos, folder, settings, resume=True, base_model=self.made.title)
        result.parent.mkdir(parents=True, exist_ok=True)
        _save_half(folder / file, result)

    def figures(self) -> dict[str, Any]:
        """Measure what is in the package data."""
        asked = (max(8, round(whole * self.fraction)) for whole in (PROMPTS, RENDERS))
        minutes = {name: round(log[-1]["seconds"] / 60, 1) for name, log in self.logs().items()}
        return {**measured(self.made, *asked), "training minutes": minutes}

    def logs(self) -> dict[str, list[dict[str, Any]]]:
        """What `fit` logged of each part: the settings, then the course."""
        return {
            path.stem: [json.loads(line) for line in path.read_text().splitlines()]
            for path in sorted((self.data / "training").glob("*.jsonl"))
        }


def _save(model: ModelMixin | PreTrainedModel, folder: Path) -> None:
    model.save_pretrained(folder)
    _halve(folder)


def _halve(folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        _save_half(path, path)


def _save_half(source: Path, path: Path) -> None:
    """Store weights in half precision; the configuration goes on saying float32, and so they load."""
    with safe_open(source, framework="pt") as file:
        metadata = file.metadata()
    halved = {k: v.half() if v.is_floating_point() else v for k, v in load_file(source).items()}
    save_safetensors(halved, path, metadata or {})


def _drop_derived(config: Path) -> None:
    """Take out where a part was made, and what `AutoencoderTiny` works out for itself and warns of."""
    settings = json.loads(config.read_text())
    for name in ("_name_or_path", "is_local", "local_files_only"):
        settings.pop(name, None)
    if settings.get("_class_name") == "AutoencoderTiny":
        settings.pop("block_out_channels", None)
    config.write_text(json.dumps(settings, indent=2) + "\n")


def main(
    work: Annotated[Path, typer.Option(help="Where stages keep their results.")] = Path("miniature-build"),
    data: Annotated[Path, typer.Option(help="Where the package data goes.")] = DATA,
    fraction: Annotated[float, typer.Option(help="Shorten all training and measuring, for a trial.")] = 1.0,
    pictures: Annotated[int, typer.Option(help="Training pictures to render.")] = PICTURES,
    threads: Annotated[int | None, typer.Option(help="CPU threads; all by default.")] = None,
) -> None:
    """Build the miniature: world, tokenizer, CLIP, autoencoder, judge, denoiser, concepts, card."""
    if threads:
        torch.set_num_threads(threads)
    build = Build(work, data, fraction, pictures)
    for stage in (
        build.pool,
        build.clip,
        build.autoencoder,
        build.judge,
        build.denoiser,
        build.assemble,
        build.concepts,
    ):
        started = time.monotonic()
        typer.echo(f"{stage.__name__} …")
        stage()
        typer.echo(f"{stage.__name__} done in {(time.monotonic() - started) / 60:.1f} min")
    figures = build.figures()
    settings = {name: log[0] for name, log in build.logs().items()}
    write_card(data / "card.md", settings, figures, build.made.concepts.values())
    typer.echo(json.dumps(figures, indent=2))


if __name__ == "__main__":
    typer.run(main)
