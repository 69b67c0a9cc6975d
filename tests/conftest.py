"""Toy models for the tests: real classes of transformers, diffusers and peft, two layers deep, in memory.

    tokenizer              a CLIP tokenizer of some thirty words; any other text falls into its letters
    pipe                   a StableDiffusionPipeline around it, 16×16 px images in a tenth of a second
    model                  the folder that it is saved to; one for all tests, so nothing writes there
    lora_pipe              the same with a PEFT LoRA in text encoder and U-Net (B is not zero)
    tuned_pipe, base_pipe  a pipeline whose text encoder was changed throughout, and what it was before

Each but the folder is new for every test, and the same weights every time. ``add_token(pipe, "<t>", rows)``
teaches a pipeline a Textual-Inversion token, ``encode(pipe, "…")`` returns its prompt and negative prompt
embeddings, and ``state_of(pipe)`` is everything that an adjustment has to give back.

The shapes that geometry.py states as jaxtyping types are checked in every test. The library imports jaxtyping
for type checkers alone, so it is imported here as by one.
"""

from __future__ import annotations

import copy
import os
import typing

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here may reach for the network

import beartype  # noqa: F401
import diffusers
import hypothesis
import peft
import pytest
import torch
import transformers
from jaxtyping import install_import_hook

with install_import_hook("uncollapse.geometry", "beartype.beartype"):
    typing.TYPE_CHECKING = True
    try:
        import uncollapse.geometry  # noqa: F401
    finally:
        typing.TYPE_CHECKING = False

torch.set_num_threads(1)
hypothesis.settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("no deadline")
diffusers.utils.logging.set_verbosity_error()
transformers.utils.logging.set_verbosity_error()

WORDS = """
    a an the of in on and near with photo picture cat dog car hat man woman snow beach grand canyon wearing
    red blue small big sitting under bridge snowy mountain sks carved by cats
"""
MAX_LENGTH = 24
WIDTH = 32


def make_tokenizer(words: str = WORDS, max_length: int = MAX_LENGTH) -> transformers.CLIPTokenizer:
    """A CLIP tokenizer with one token for each of ``words``; other text falls into pieces."""
    letters = _byte_letters()
    merges = _merges(words.split())
    vocab = dict.fromkeys([*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges)])
    vocab |= dict.fromkeys(["<|startoftext|>", "<|endoftext|>"])
    ids = {token: i for i, token in enumerate(vocab)}
    return transformers.CLIPTokenizer(vocab=ids, merges=merges, model_max_length=max_length)


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, in order, that make every word whole; each is done everywhere before the next."""
    split = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges = []
    while pair := next((tuple(pieces[:2]) for pieces in split if len(pieces) > 1), None):
        merges.append(pair)
        for pieces in split:
            i = 0
            while i < len(pieces) - 1:
                if (pieces[i], pieces[i + 1]) == pair:
                    pieces[i : i + 2] = ["".join(pair)]
                i += 1
    return merges


def _byte_letters() -> list[str]:
    """The 256 printable stand-ins for bytes, as byte-level BPE writes them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def make_pipeline(seed: int = 0, tokenizer=None) -> diffusers.StableDiffusionPipeline:
    """A StableDiffusionPipeline with random weights, whose text encoder tells words apart."""
    tokenizer = tokenizer or make_tokenizer()
    torch.manual_seed(seed)
    text_encoder = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    with torch.no_grad():
        text_encoder.get_input_embeddings().weight.mul_(25)  # CLIP's own are of length .4, these would be .1
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    vae = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    )
    pipe = diffusers.StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def add_lora(pipe, seed: int = 1, name: str = "default") -> None:
    """Put a LoRA that does something into the pipeline's text encoder and U-Net."""
    torch.manual_seed(seed)
    for model, targets in (
        (pipe.text_encoder, ["q_proj", "k_proj", "v_proj", "out_proj"]),
        (pipe.unet, ["to_k", "to_q", "to_v", "to_out.0"]),
    ):
        config = peft.LoraConfig(r=4, lora_alpha=4, target_modules=targets, init_lora_weights=False)
        model.add_adapter(config, adapter_name=name)
        model.requires_grad_(False)


def add_token(pipe, token: str, rows: torch.Tensor) -> None:
    """Teach the pipeline a token of ``len(rows)`` vectors, the way diffusers does."""
    pipe.load_textual_inversion({token: rows}, token=token)


def encode(pipe, prompt, negative_prompt=None, guidance=True, images=1, **arguments):
    """The pipeline's (prompt_embeds, negative_prompt_embeds), through its own encode step, positionally."""
    with torch.no_grad():
        return pipe.encode_prompt(prompt, torch.device("cpu"), images, guidance, negative_prompt, **arguments)


def generate(pipe, prompt, seed: int = 0, **arguments) -> torch.Tensor:
    """Two steps of the whole pipeline, as a tensor ``[n, 3, 16, 16]``."""
    generator = torch.Generator().manual_seed(seed)
    return pipe(prompt, num_inference_steps=2, generator=generator, output_type="pt", **arguments).images


def state_of(pipe) -> dict:
    """Everything an adjustment must give back: the pipeline's attributes, weights, and adapters' states."""
    layers = [layer for model in (pipe.text_encoder, pipe.unet) for layer in model.modules()]
    adapters = [layer for layer in layers if hasattr(layer, "_disable_adapters")]
    return {
        "attributes": dict(pipe.__dict__),
        "weights": copy.deepcopy(pipe.text_encoder.state_dict()),
        "grads": [parameter.requires_grad for parameter in pipe.text_encoder.parameters()],
        "adapters": [
            (
                x._disable_adapters,
                copy.copy(x._active_adapter),
                list(x.merged_adapters),
                dict(getattr(x, "scaling", {})),
            )
            for x in adapters
        ],
    }


def assert_same_state(before: dict, after: dict) -> None:
    """Bit for bit."""
    assert before["attributes"] == after["attributes"]
    assert before["grads"] == after["grads"]
    assert before["adapters"] == after["adapters"]
    assert before["weights"].keys() == after["weights"].keys()
    for name, weight in before["weights"].items():
        assert torch.equal(weight, after["weights"][name]), name


@pytest.fixture
def tokenizer():
    return make_tokenizer()


@pytest.fixture
def pipe():
    return make_pipeline()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture
def lora_pipe(pipe):
    add_lora(pipe)
    return pipe


@pytest.fixture
def base_pipe():
    return make_pipeline()


@pytest.fixture
def tuned_pipe():
    tuned = make_pipeline()
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in tuned.text_encoder.encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return tuned
