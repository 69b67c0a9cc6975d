"""How the concepts were taught: a base model, and for each method where its weights are, concept by concept.

    [base]
    model = "path/to/model"          # or a hub id, or a miniature's name
    dtype = "float16"                # else float32

    [[method]]
    name = "DreamBooth"
    kind = "lora"
    weights = "out/{concept}/pytorch_lora_weights.safetensors"
    placeholder = "sks {class}"

    [[method]]
    name = "theirs"
    kind = "images"                  # drawn by others
    pictures = "theirs/{concept}/{prompt}_{seed}.png"
    arm = "adjusted"                 # how they were drawn; else "personalised"

Paths are relative to the file that says them. ``{prompt}`` is the prompt's number from 0, or its words.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..admission import is_there, reason, text_from
from ..errors import FileFormatError
from ..models.loading import HUB_ID
from ..subjects import Parts, bundled, chosen_miniature, located, miniature_called
from .digests import digest_of_path
from .suites import SuiteConcept

__all__ = ["KINDS", "Base", "Method", "bundled_methods", "read_methods"]

KINDS = ("embedding", "lora", "custom-diffusion", "images", "bundled")
"""What a method's weights are; "images" has pictures in their stead, "bundled" the miniature's own LoRAs."""

BASE_KEYS, METHOD_KEYS = (
    {"model", "dtype"},
    {"name", "kind", "weights", "pictures", "arm", "placeholder", "anchor"},
)


@dataclass(frozen=True)
class Base:
    """The model that all methods of a plan start from.

    Args:
        model: a folder, a single file, a hub id or a miniature's name; None for the first miniature.
        dtype: of its weights: it changes pictures, so it is never the device's choice.
    """

    model: str | None = None
    dtype: str = "float32"

    def digest(self) -> str:
        """Of its weights; a hub id stands for itself.

        Raises: FileFormatError, for a path where there is nothing.
        """
        source = Path(located(self.model)[0]).expanduser()
        if not is_there(source) and HUB_ID.fullmatch(str(self.model)):
            return str(self.model)
        return digest_of_path(source)


@dataclass(frozen=True)
class Method:
    """A way to teach concepts, and where what it has learned is.

    Args:
        name: as tables call it.
        kind: one of ``KINDS``.
        weights: a path with ``{concept}`` and ``{class}`` in it; relative to ``folder``.
        pictures: of "images": a path with ``{concept}``, ``{prompt}`` and ``{seed}`` in it.
        arm: of "images": how they were drawn, as tables call it; "" for "personalised".
        placeholder: what prompts call the concept.
        anchor: what it is, in ordinary words.
        folder: that paths are relative to.
        found: of "images": where each picture is, by concept, number of the prompt, and seed; in the stead of
            ``pictures``.
    """

    name: str
    kind: str
    weights: str = ""
    pictures: str = ""
    arm: str = ""
    placeholder: str = "sks {class}"
    anchor: str = "{class}"
    folder: Path = Path()
    found: Mapping[tuple[str, int, int], Path] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        what = f"The method '{self.name}'"
        if self.kind not in KINDS:
            raise FileFormatError(
                f"{what} is of the kind '{self.kind}', which is none of {', '.join(KINDS)}."
            )
        wanted = {"images": "pictures", "bundled": None}.get(self.kind, "weights")
        for name in ("weights", "pictures"):
            given = bool(getattr(self, name)) or (name == "pictures" and bool(self.found))
            if given != (name == wanted):
                verb = "has no" if name == wanted else "takes no"
                raise FileFormatError(f"{what} of the kind '{self.kind}' {verb} '{name}'.")
        if self.arm and self.kind != "images":
            raise FileFormatError(f"{what} of the kind '{self.kind}' takes no 'arm': the plan says which.")

    @property
    def key(self) -> str:
        """It among the methods of a plan: of others' pictures several may be one method in several arms."""
        return f"{self.name}, {self.arm}" if self.arm else self.name

    def filled(self, pattern: str, concept: SuiteConcept) -> str:
        """A text of this method, of one concept."""
        return pattern.replace("{concept}", concept.name).replace("{class}", concept.class_word)

    def words(self, concept: SuiteConcept) -> tuple[str, str]:
        """Its placeholder and its anchor, of one concept."""
        return self.filled(self.placeholder, concept), self.filled(self.anchor, concept)

    def weights_of(self, concept: SuiteConcept, base: Base) -> Path:
        """Where the weights of one concept are."""
        if self.kind == "bundled":
            personal = bundled(concept.name, chosen_miniature(base.model)).personal
            assert personal.lora is not None  # or it would be none of the bundled
            return Path(personal.lora)
        return self.folder / Path(self.filled(self.weights, concept)).expanduser()

    def parts(self, concept: SuiteConcept, base: Base) -> Parts:
        """What a pipeline with one concept is put together from."""
        option = {"bundled": "lora"}.get(self.kind, self.kind.replace("-", "_"))
        return Parts(base.model, **{option: str(self.weights_of(concept, base))})

    def picture_of(self, concept: SuiteConcept, prompt: int, seed: int) -> Path | None:
        """Where others' picture is; None where there is none."""
        if self.found or not self.pictures:
            return self.found.get((concept.name, prompt, seed))
        full = concept.prompts[prompt].full
        for word in (str(prompt), f"{prompt:02}", full, full.replace(" ", "_")):
            name = self.filled(self.pictures, concept).replace("{prompt}", word).replace("{seed}", str(seed))
            path = self.folder / Path(name).expanduser()
            if is_there(path):
                return path
        return None


def bundled_methods(miniature: str | None = None) -> tuple[Base, tuple[Method, ...]]:
    """A miniature with the LoRAs that it comes with."""
    return Base(chosen_miniature(miniature).name), (Method("LoRA", "bundled"),)


def read_methods(path: str | Path) -> tuple[Base, tuple[Method, ...]]:
    """What a ``methods.toml`` says.

    Raises: FileFormatError, which says what is missing or not known.
    """
    file = Path(path).expanduser()
    try:
        data = tomllib.loads(text_from(file))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"'{path}' cannot be read as TOML: {reason(error)}") from error
    _check_keys(data, {"base", "method"}, file)
    base = data.get("base", {})
    _check_keys(base, BASE_KEYS, file)
    methods = []
    for each in data.get("method", ()):
        _check_keys(each, METHOD_KEYS, file)
        if not {"name", "kind"} <= set(each):
            raise FileFormatError(f"'{path}': a [[method]] has no 'name' or no 'kind'.")
        methods.append(Method(**each, folder=file.parent.absolute()))
    if not methods:
        raise FileFormatError(f"'{path}' names no [[method]].")
    keys = [each.key for each in methods]
    if len(set(keys)) < len(keys):
        raise FileFormatError(f"'{path}' has two methods of one name. Rename one of them.")
    if "model" in base and miniature_called(base["model"]) is None and not HUB_ID.fullmatch(base["model"]):
        base = {**base, "model": str(file.parent.absolute() / Path(base["model"]).expanduser())}
    elif "model" in base and is_there(file.parent / base["model"]):
        base = {**base, "model": str(file.parent.absolute() / base["model"])}
    return Base(**base), tuple(methods)


def _check_keys(data: Any, known: set[str], file: Path) -> None:
    for name in data if isinstance(data, dict) else ["a list"]:
        if name not in known:
            raise FileFormatError(f"'{file}' says '{name}', which is none of {', '.join(sorted(known))}.")
