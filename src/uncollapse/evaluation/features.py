"""What models of vision see in pictures: loaded from the user's folders, computed once for each picture.

Features are kept in the run's folder by the picture's content, the model's, and how the picture was prepared:
a second profile with the same model, or the same pictures in another table, cost nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from ..admission import reason, text_from
from ..errors import FileFormatError, Setting, UncollapseWarning
from ..metrics import ClipScorer
from ..metrics.preprocessing import Preprocessing
from ..output import save_safetensors
from .digests import digest, digest_of_path
from .profiles import Encoder

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Eye", "Features", "clip_eye", "eye", "opened", "unreadable"]

CHUNK = 32  # pictures in memory, and in a file


class Eye(Protocol):
    """What sees pictures, and reads texts where it can."""

    @property
    def model(self) -> str:
        """Its name, and its weights by content."""
        ...

    @property
    def seen_as(self) -> str:
        """How pictures are prepared, and what of the output is taken: "224bicubic|projection"."""
        ...

    def images(self, images: Sequence[Image]) -> Tensor:
        """``[images, dim]``."""
        ...

    def texts(self, texts: Sequence[str]) -> Tensor:
        """``[texts, dim]``."""
        ...

    def logit(self, cosines: Tensor) -> Tensor:
        """What the model itself makes of cosines, before a sigmoid."""
        ...


@dataclass(frozen=True)
class _Loaded:
    """An eye of a model of transformers."""

    model: str
    seen_as: str
    see: Callable[[Sequence[Image]], Tensor]
    read: Callable[[Sequence[str]], Tensor] | None = None
    scale: float = 1.0
    bias: float = 0.0

    def images(self, images: Sequence[Image]) -> Tensor:
        return self.see(images)

    def texts(self, texts: Sequence[str]) -> Tensor:
        assert self.read is not None  # or no profile compares it with texts
        return self.read(texts)

    def logit(self, cosines: Tensor) -> Tensor:
        return cosines * self.scale + self.bias


def clip_eye(scorer: ClipScorer, model: str, seen_as: str) -> Eye:
    """A CLIP that is loaded."""
    return _Loaded(model, seen_as, scorer.image_features, scorer.text_features)


def eye(encoder: Encoder, folders: Sequence[str | Path], warn: Callable[[UncollapseWarning], object]) -> Eye:
    """The model of a profile, from one of the user's folders.

    Args:
        encoder: what the profile asks for.
        folders: that were given with the encoder's option; the one that holds it is taken, and of a single
            one another model, with a warning and another identity.
        warn: told of that.

    Raises: FileFormatError, which says what to type.
    """
    if not folders:
        name = encoder.model
        fetch = f": hf download {name} --local-dir {encoder.option}" if "/" in name else ""
        raise FileFormatError(
            f"{name} is needed, and was not given. Give its folder with ",
            Setting(encoder.option),
            f"; nothing is downloaded by itself{fetch}.",
        )
    shapes = {
        Path(folder).expanduser(): _shape(Path(folder).expanduser(), encoder.option) for folder in folders
    }
    fitting = [folder for folder, shape in shapes.items() if encoder.shape in (None, shape)]
    if len(fitting) > 1 or (not fitting and len(shapes) > 1):
        which = "Several" if fitting else "None"
        raise FileFormatError(
            f"{which} of {', '.join(map(str, shapes))} could be {encoder.model}. Give it alone with ",
            Setting(encoder.option),
            ".",
        )
    folder = next(iter(fitting or shapes))
    name = encoder.model if encoder.shape else folder.resolve().name
    if not fitting:
        warn(UncollapseWarning(f"'{folder}' is not {name}: its figures are not those of the profile."))
        name = f"unlike {name}"
    try:
        return _loaded(folder, encoder, f"{name}@{_weights(folder)}")
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise FileFormatError(f"'{folder}' does not load as {encoder.model}: {reason(error)}") from error


def _shape(folder: Path, option: str) -> tuple[str, int, int]:
    """The model's type, hidden size and patch size, as its configuration says.

    Raises: FileFormatError.
    """
    try:
        config = json.loads(text_from(folder / "config.json"))
        vision = config.get("vision_config", config)
        kind, shape = config["model_type"], (int(vision["hidden_size"]), int(vision["patch_size"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"'{folder}' holds no model of vision: its config.json says no type, hidden size and patch size. "
            "Give the folder that was downloaded with ",
            Setting(option),
            ".",
        ) from error
    return (kind, *shape)


def _weights(folder: Path) -> str:
    files = sorted(each for each in folder.iterdir() if each.suffix in (".safetensors", ".bin"))
    return digest([digest_of_path(each) for each in files])[:12]


def _loaded(folder: Path, encoder: Encoder, model: str) -> Eye:
    prepared = encoder.preprocessing or Preprocessing.from_pretrained(folder)
    seen_as = f"{prepared.id}|{encoder.pooling}"
    if encoder.option == "clip":
        scorer = ClipScorer.from_pretrained(folder)
        scorer.pixels = prepared
        return clip_eye(scorer, model, seen_as)
    if encoder.option == "siglip":
        return _siglip(folder, prepared, model, seen_as)
    return _dino(folder, encoder, prepared, model, seen_as)


def _siglip(folder: Path, prepared: Preprocessing, model: str, seen_as: str) -> Eye:
    from transformers import AutoTokenizer, SiglipModel

    siglip = SiglipModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    length = siglip.config.text_config.max_position_embeddings

    @torch.inference_mode()
    def see(images: Sequence[Image]) -> Tensor:
        return _pooled(siglip.get_image_features(pixel_values=prepared(images)))

    @torch.inference_mode()
    def read(texts: Sequence[str]) -> Tensor:
        tokens = tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        return _pooled(siglip.get_text_features(input_ids=tokens.input_ids))

    return _Loaded(model, seen_as, see, read, siglip.logit_scale.exp().item(), siglip.logit_bias.item())


def _dino(folder: Path, encoder: Encoder, prepared: Preprocessing, model: str, seen_as: str) -> Eye:
    from transformers import AutoModel

    dino = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    interpolate = {"interpolate_pos_encoding": True} if dino.config.model_type == "vit" else {}

    @torch.inference_mode()
    def see(images: Sequence[Image]) -> Tensor:
        states: Tensor = dino(pixel_values=prepared(images), **interpolate).last_hidden_state
        return states[:, 0] if encoder.pooling == "cls" else states.mean(dim=1)

    return _Loaded(model, seen_as, see)


def _pooled(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output.pooler_output


def opened(file: Path) -> Image:
    """A picture, upright, in memory.

    Raises: OSError, SyntaxError or ValueError, as Pillow does for a damaged one.
    """
    from PIL import Image, ImageOps

    with Image.open(file) as image:
        return ImageOps.exif_transpose(image)


def unreadable(error: BaseException) -> str:
    """Why a picture has no figure."""
    return f"the picture cannot be read: {reason(error)}"


class Features:
    """The features of one eye, kept in a folder.

    Args:
        eye: what sees.
        folder: of all features.
        on_images: told how many pictures were just looked at.
    """

    def __init__(
        self, eye: Eye, folder: Path, on_images: Callable[[int], object] = lambda count: None
    ) -> None:
        self.eye, self.on_images = eye, on_images
        self.folder = folder / digest([eye.model, eye.seen_as])[:16]
        self.errors: dict[Path, str] = {}
        self._known = dict(self._read())

    def of(self, files: Sequence[Path]) -> Mapping[Path, Tensor]:
        """``[dim]`` of each picture, its file named by its content; ``errors`` says why others have none."""
        unknown = [file for file in dict.fromkeys(files) if file.stem not in self._known]
        for start in range(0, len(unknown), CHUNK):
            self._look_at(unknown[start : start + CHUNK])
        return {file: self._known[file.stem] for file in files if file.stem in self._known}

    def _look_at(self, files: Sequence[Path]) -> None:
        images = {}
        for file in files:
            try:
                images[file] = opened(file)
            except (OSError, SyntaxError, ValueError) as error:
                self.errors[file] = unreadable(error)
        if images:
            rows = self.eye.images(list(images.values())).float().cpu()
            seen = {file.stem: row.clone() for file, row in zip(images, rows, strict=True)}
            save_safetensors(seen, self.folder / f"{digest(sorted(seen))[:16]}.safetensors", {})
            self._known |= seen
        self.on_images(len(files))

    def _read(self) -> Iterator[tuple[str, Tensor]]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        for file in sorted(self.folder.glob("*.safetensors")):
            try:
                yield from load_file(file).items()
            except (SafetensorError, OSError):
                file.unlink(missing_ok=True)  # a cache: what it held is looked at again
