"""Stand-ins for what the nodes touch of ComfyUI: a clip, the node API, the folders.

They do what tests/comfyui/test_real.py sees ComfyUI itself do. ``make_clip`` gives a clip of one or two text
encoders that tell words and their order apart; ``in_comfyui`` puts the modules in place that nodes import,
with folders of their own.
"""

from __future__ import annotations

import copy
import re
import sys
import types
import uuid
from pathlib import Path

import safetensors.torch
import torch

START, END, PAD = 0, 1, 2
WORDS = "the of a photo sks dog cat in on snow red hat wearing beach user says : ! , . near"
IDS = {word: 3 + i for i, word in enumerate(WORDS.split())}
LETTERS = 3 + len(IDS)
"""The id of the letter a; a word that is none of WORDS falls into its letters."""


class Tokenizer:
    """Rows of tokens, as ComfyUI's tokenizers make them.

    Args:
        length: of a row; None for one row as long as the text.
        template: what stands around every text, with {} in it; with one, nothing marks a row's ends.
    """

    def __init__(self, width=8, length=12, template="{}", embeddings=None):
        self.width, self.length, self.template, self.embeddings = width, length, template, embeddings
        self.marked = template == "{}"

    def __call__(self, text):
        groups = [
            [(item, weight) for item in items]
            for part, weight in _weighted(self.template.format(text))
            for items in self._items(part)
        ]
        rows, row = [], []
        room = (self.length or 10_000) - 2
        for number, group in enumerate(groups, 1):
            if len(row) + len(group) > room:
                rows.append(row)
                row = []
            row += [(item, weight, number) for item, weight in group]
        return [self._framed(each) for each in [*rows, row]]

    def _framed(self, words):
        if not self.marked:
            return words
        row = [(START, 1.0, 0), *words, (END, 1.0, 0)]
        return row + [(PAD, 1.0, 0)] * ((self.length or 0) - len(row))

    def _items(self, text):
        for word in re.findall(r"embedding:[^\s,]+|\w+|[^\w\s]", text):
            if word.startswith("embedding:"):
                found = list(Path(self.embeddings).glob(f"{word.removeprefix('embedding:')}.safetensors"))
                if found:
                    yield list(next(iter(safetensors.torch.load_file(found[0]).values())))
            elif word in IDS:
                yield [IDS[word]]
            else:
                yield [LETTERS + ord(letter) % 32 for letter in word]


def _weighted(text):
    """(part, weight) of "a (red:1.5) hat"; not nested."""
    for plain, inner, weight in re.findall(r"([^()]+)|\(([^():]*(?::\D[^():]*)?)(?::([\d.]+))?\)", text):
        yield (plain, 1.0) if plain else (inner, float(weight or 1.1))


class Encoder(torch.nn.Module):
    """Vectors that hang on their own token and on those before it."""

    def __init__(self, width, marked=True, layers=None, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.special_tokens = {"start": START, "end": END, "pad": PAD} if marked else {"pad": PAD}
        self.layers, self.shift, self.calls = layers, 0.0, 0
        table = torch.nn.Embedding(LETTERS + 32, width).requires_grad_(False)
        self.transformer = torch.nn.Module()
        self.transformer.get_input_embeddings = lambda: table
        self.mix = torch.randn(width, width) / width**0.5

    def encode(self, rows):
        self.calls += 1
        return self(rows)

    def forward(self, rows):
        table = self.transformer.get_input_embeddings().weight
        z = torch.stack([self._vectors(row, table) for row in rows])
        before = z.cumsum(1) / torch.arange(1, z.shape[1] + 1)[:, None]
        place = torch.linspace(0, 1, z.shape[1])[:, None]
        z = torch.nn.functional.layer_norm(z + before @ self.mix + place, z.shape[-1:]) + self.shift
        if self.layers:
            z = torch.stack([z * (1 + i) for i in range(self.layers)], 1)
        return z, z[..., -1, :].flatten(1)[:, : table.shape[1]].clone()

    def _vectors(self, row, table):
        """Learned vectors of another width are left out, and the row is filled up."""
        fitting = [x for x in row if not isinstance(x, torch.Tensor) or x.shape[-1] == table.shape[1]]
        fitting += [PAD] * (len(row) - len(fitting))
        return torch.stack([x if isinstance(x, torch.Tensor) else table[x] for x in fitting])


class Model(torch.nn.Module):
    """Its encoders one after the other; their vectors side by side along the sentence."""

    def __init__(self, encoders):
        super().__init__()
        for name, encoder in encoders.items():
            setattr(self, name, encoder)
        self.names = list(encoders)

    def encode_token_weights(self, tokens):
        found = [_weighed(getattr(self, name), tokens[name.removeprefix("clip_")]) for name in self.names]
        return torch.cat([torch.nn.functional.pad(z, (0, 16 - z.shape[-1])) for z, _ in found], -2), found[0][
            1
        ]


def _weighed(encoder, rows):
    given = [[item for item, *_ in row] for row in rows]
    weights = torch.tensor([[weight for _, weight, *_ in row] for row in rows])
    weighed = bool((weights != 1).any())
    empty = ([START, END] if "start" in encoder.special_tokens else []) + [PAD] * len(given[0])
    z, pooled = encoder.encode([*given, empty[: len(given[0])]] if weighed else given)[:2]
    own = z[: len(rows)]
    if weighed:
        own = z[-1] + weights.view(len(rows), *[1] * (z.ndim - 3), -1, 1) * (own - z[-1])
    return torch.cat(list(own), -2)[None], pooled[:1]


class Clip:
    """What ``comfy.sd.CLIP`` is to a node. Its one LoRA moves every vector by a number."""

    def __init__(self, model, tokenizers):
        self.cond_stage_model, self.tokenizers = model, tokenizers
        self.tokenizer = types.SimpleNamespace()
        self.patcher = types.SimpleNamespace(patches={}, patches_uuid=uuid.uuid4(), forced_hooks=None)
        self.use_clip_schedule, self.apply_hooks_to_conds = False, None

    def clone(self):
        other = copy.copy(self)
        other.patcher = copy.copy(self.patcher)
        return other

    def with_lora(self, shift):
        tuned = self.clone()
        tuned.patcher.patches = {"shift": shift}
        return tuned

    def tokenize(self, text, return_word_ids=False):
        found = {name.removeprefix("clip_"): each(text) for name, each in self.tokenizers.items()}
        if return_word_ids:
            return found
        return {key: [[token[:2] for token in row] for row in rows] for key, rows in found.items()}

    def encode_from_tokens_scheduled(self, tokens):
        for name in self.cond_stage_model.names:
            getattr(self.cond_stage_model, name).shift = self.patcher.patches.get("shift", 0.0)
        cond, pooled = self.cond_stage_model.encode_token_weights(tokens)
        return [[cond, {"pooled_output": pooled}]]

    def encode(self, text):
        """As the node CLIP Text Encode does it."""
        return self.encode_from_tokens_scheduled(self.tokenize(text))


def make_clip(*names, embeddings=None, template="{}", length=12, layers=None, seed=0):
    """A clip with encoders of these names, ``clip_l`` alone without any; the second is wider."""
    widths = dict(zip(names or ("clip_l",), (8, 12), strict=False))
    marked = template == "{}"
    encoders = {name: Encoder(width, marked, layers, seed + width) for name, width in widths.items()}
    tokenizers = {name: Tokenizer(width, length, template, embeddings) for name, width in widths.items()}
    return Clip(Model(encoders), tokenizers)


def in_comfyui(monkeypatch, folder: Path) -> None:
    """Put the modules in place that nodes import: the node API, and folders within ``folder``."""
    paths = types.ModuleType("folder_paths")
    paths.models_dir = str(folder)
    known = {"embeddings": [str(folder / "embeddings")]}
    (folder / "embeddings").mkdir(exist_ok=True)
    paths.add_model_folder_path = lambda name, path: known.setdefault(name, [path])
    paths.get_folder_paths = lambda name: known[name]
    paths.get_filename_list = lambda name: sorted(
        str(file.relative_to(root))
        for root in map(Path, known[name])
        for file in root.rglob("*")
        if file.is_file()
    )
    paths.get_full_path_or_raise = lambda name, file: str(Path(known[name][0]) / file)
    api = types.ModuleType("comfy_api.v0_0_2")
    api.io, api.ComfyExtension = _node_api(), type("ComfyExtension", (), {})
    for name, module in {"comfy_api": types.ModuleType("comfy_api"), "comfy_api.v0_0_2": api}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "folder_paths", paths)


class Said:
    """One input, output or schema: what it was made with."""

    def __init__(self, id=None, /, **settings):
        self.id = id
        self.__dict__ |= settings


class NodeOutput:
    def __init__(self, *result, ui=None):
        self.result, self.ui = result, ui


def _node_api():
    io = types.SimpleNamespace()
    kind = types.SimpleNamespace(Input=Said, Output=Said)
    for name in (
        "Boolean",
        "Clip",
        "Combo",
        "Conditioning",
        "Float",
        "Image",
        "Int",
        "Model",
        "String",
        "Vae",
    ):
        setattr(io, name, kind)
    io.Custom = lambda _: kind
    io.Schema, io.NodeOutput = Said, NodeOutput
    io.NumberDisplay = types.SimpleNamespace(slider="slider")
    io.Hidden = types.SimpleNamespace(unique_id="UNIQUE_ID")
    io.ComfyNode = type("ComfyNode", (), {"hidden": types.SimpleNamespace(unique_id=None)})
    return io
