"""One real pipeline class for every layout in which diffusers' encode methods return text, at toy size.

``LAYOUTS`` maps a name to a function that builds one: the class's own encode method, with real tokenizers and
text encoders of two layers and random weights. Denoisers and VAEs are left out, since encoding needs none.
``encode_any(pipe, prompt, …)`` calls whichever method the class has, by whatever arguments it takes.
"""

from __future__ import annotations

import functools
import inspect
import types

import diffusers
import torch
import transformers
from transformers import T5Tokenizer

from toys.pipelines import make_pipeline
from toys.tokenizers import MAX_LENGTH, WORDS, byte_letters, make_tokenizer, merges_of
from uncollapse.pipelines.encode_step import encode_methods

SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
LLM = {**SIZE, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 2048, "use_cache": False}
LONG = 4096


def louder(encoder):
    """Random token tables are so small that a transformer's output hardly tells words apart."""
    with torch.no_grad():
        encoder.get_input_embeddings().weight.mul_(25)
    return encoder.eval()


def clip(tokenizer, projection: bool = False, **more):
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        projection_dim=16,
        **SIZE | more,
    )
    torch.manual_seed(1 + projection)
    return louder(
        (transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel)(config)
    )


def make_t5_tokenizer(max_length: int = 64) -> T5Tokenizer:
    """A SentencePiece tokenizer of the same words; others fall into letters."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,.'()<>!?-_:;\n"
    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in WORDS.split()), *letters]
    extra = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(100))]
    vocab = [(piece, -float(i)) for i, piece in enumerate(pieces)] + extra
    return T5Tokenizer(vocab=vocab, model_max_length=max_length)


def t5(tokenizer, kind: str = "T5", **more):
    torch.manual_seed(3)
    shape = {"vocab_size": len(tokenizer), "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2} | more
    config = getattr(transformers, f"{kind}Config")(num_heads=4, **shape)
    return louder(getattr(transformers, f"{kind}EncoderModel")(config))


def make_qwen_tokenizer() -> transformers.Qwen2Tokenizer:
    """Byte-level BPE, with Qwen's chat template."""
    words = [f"Ġ{word}" for word in WORDS.split()]
    letters = byte_letters()
    merges = _merges_plain(words)
    vocab = dict.fromkeys([*letters, *(a + b for a, b in merges)])
    ids = {token: i for i, token in enumerate(vocab)}
    tokenizer = transformers.Qwen2Tokenizer(vocab=ids, merges=merges, model_max_length=LONG)
    special = ["<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n"
        "{% if message.content is string %}{{ message.content }}{% else %}"
        "{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return tokenizer


def _merges_plain(words: list[str]) -> list[tuple[str, str]]:
    """As for CLIP, whose words carry their end: taken off again."""
    return [(a.removesuffix("</w>"), b.removesuffix("</w>")) for a, b in merges_of(words)]


def make_gemma_tokenizer() -> transformers.GemmaTokenizer:
    """SentencePiece BPE with byte fallback, padded on the left."""
    words = [f"▁{word}" for word in WORDS.split()]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,.'()<>!?-_:;"
    merges = _merges_plain(words)
    vocab = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{i:02X}>" for i in range(256)), "▁", *letters, "▁▁"]
    vocab += [a + b for a, b in merges]
    ids = {token: i for i, token in enumerate(dict.fromkeys(vocab))}
    return transformers.GemmaTokenizer(vocab=ids, merges=[("▁", "▁"), *merges], model_max_length=LONG)


def llm(kind: str, tokenizer, **more):
    torch.manual_seed(5)
    model = getattr(transformers, kind)
    shape = {**LLM, **more, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    return louder(model(model.config_class(**shape)))


def qwen_vl(tokenizer):
    torch.manual_seed(5)
    text = {
        **LLM,
        "vocab_size": len(tokenizer),
        "rope_parameters": {
            "type": "default",
            "rope_type": "default",
            "mrope_section": [1, 1, 2],
            "rope_theta": 1e4,
        },
    }
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 32}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    return louder(transformers.Qwen2_5_VLForConditionalGeneration(config))


class NoDenoiser(torch.nn.Module):
    """For the two classes that ask theirs for its dtype or the size of its heads."""

    dtype = torch.float32
    config = types.SimpleNamespace(attention_head_dim=8, block_out_channels=(8,))


def build(kind: str, **parts):
    """The pipeline with these parts and None for all others that have no default."""
    cls = getattr(diffusers, kind)
    names = list(inspect.signature(cls.__init__).parameters.values())[1:]
    needed = {p.name: None for p in names if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    return cls(**{**needed, **parts})


def clip_and(kind: str, third=None, **parts):
    """CLIP; a second, projecting CLIP whose padding is "!"; and a third encoder."""
    length = 77 if kind.startswith("HiDream") else MAX_LENGTH
    one, two = make_tokenizer(max_length=length), make_tokenizer(max_length=length)
    two.pad_token = "!"
    parts |= {
        "tokenizer": one,
        "text_encoder": clip(one, projection=kind.startswith(("StableDiffusion3", "HiDream"))),
    }
    parts |= {"tokenizer_2": two, "text_encoder_2": clip(two, projection=True)}
    if third:
        parts |= dict(zip(("tokenizer_3", "text_encoder_3"), third, strict=True))
    return build(kind, **parts)


def with_t5(kind: str, encoder: str = "T5", **parts):
    tokenizer = make_t5_tokenizer()
    return build(kind, tokenizer=tokenizer, text_encoder=t5(tokenizer, encoder), **parts)


def with_qwen(kind: str, encoder: str = "Qwen3Model", **parts):
    tokenizer = make_qwen_tokenizer()
    return build(kind, tokenizer=tokenizer, text_encoder=llm(encoder, tokenizer), **parts)


def with_gemma(kind: str, **parts):
    tokenizer = make_gemma_tokenizer()
    return build(kind, tokenizer=tokenizer, text_encoder=llm("Gemma2Model", tokenizer), **parts)


def flux():
    one, two = make_tokenizer(), make_t5_tokenizer()
    return build(
        "FluxPipeline", tokenizer=one, text_encoder=clip(one), tokenizer_2=two, text_encoder_2=t5(two)
    )


def sd3():
    tokenizer = make_t5_tokenizer()
    return clip_and("StableDiffusion3Pipeline", third=(tokenizer, t5(tokenizer)))


def hidream():
    three, four = make_t5_tokenizer(), make_qwen_tokenizer()
    pipe = clip_and(
        "HiDreamImagePipeline",
        third=(three, t5(three)),
        tokenizer_4=four,
        text_encoder_4=llm("LlamaForCausalLM", four),
    )
    return pipe


def hunyuan_video():
    one, two = make_qwen_tokenizer(), make_tokenizer(max_length=77)
    return build(
        "HunyuanVideoPipeline",
        tokenizer=one, text_encoder=llm("LlamaModel", one, num_hidden_layers=3),
        tokenizer_2=two, text_encoder_2=clip(two),
    )  # fmt: skip


def qwen_image():
    tokenizer = make_qwen_tokenizer()
    return build("QwenImagePipeline", tokenizer=tokenizer, text_encoder=qwen_vl(tokenizer))


def kandinsky_prior():
    tokenizer = make_tokenizer()
    return build(
        "KandinskyV22PriorPipeline", tokenizer=tokenizer, text_encoder=clip(tokenizer, projection=True)
    )


def instruct_pix2pix():
    pipe = make_pipeline()
    parts = {**pipe.components, "safety_checker": None, "requires_safety_checker": False}
    return diffusers.StableDiffusionInstructPix2PixPipeline(**parts)


def cascade():
    tokenizer = make_tokenizer()
    return build(
        "StableCascadePriorPipeline", tokenizer=tokenizer, text_encoder=clip(tokenizer, projection=True)
    )


def stable_audio():
    tokenizer = make_t5_tokenizer()
    from diffusers.pipelines.stable_audio import StableAudioProjectionModel

    torch.manual_seed(7)
    projection = StableAudioProjectionModel(
        text_encoder_dim=32, conditioning_dim=16, min_value=0, max_value=32
    )
    return build(
        "StableAudioPipeline",
        tokenizer=tokenizer, text_encoder=t5(tokenizer), projection_model=projection,
        transformer=NoDenoiser(),
    )  # fmt: skip


LAYOUTS = {
    "P N": make_pipeline,
    "P N p n, two CLIPs side by side": functools.partial(clip_and, "StableDiffusionXLPipeline"),
    "P N p n, CLIPs then T5": sd3,
    "P p ids": flux,
    "P N zero-padded": functools.partial(with_t5, "WanPipeline", "UMT5"),
    "P M N m": functools.partial(with_t5, "PixArtSigmaPipeline"),
    "P M N m, template, cropped": functools.partial(with_gemma, "SanaPipeline"),
    "P ids M N ids m, float masks": functools.partial(with_t5, "ChromaPipeline"),
    "P M, template, unpadded": qwen_image,
    "lists of matrices": functools.partial(with_qwen, "ZImagePipeline"),
    "list of matrices": functools.partial(with_qwen, "ErnieImagePipeline"),
    "layers side by side": functools.partial(with_qwen, "Flux2KleinPipeline", "Qwen3ForCausalLM"),
    "every layer, padded on the left": functools.partial(with_gemma, "LTX2Pipeline"),
    "layers first": hidream,
    "P p M, template cropped": hunyuan_video,
    "lists of layers": functools.partial(
        with_qwen, "BriaFiboPipeline", "SmolLM3ForCausalLM", transformer=NoDenoiser()
    ),
    "vectors, states, mask": kandinsky_prior,
    "positive, negative, negative": instruct_pix2pix,
    "P p N n, pooled with a token axis": cascade,
    "negative then positive": stable_audio,
}


def encode_any(pipe, prompt, negative=None, copies: int = 1, guidance: bool = True, **more):
    """Encode by the pipeline's own method, whatever its arguments are called."""
    method = getattr(pipe, encode_methods(pipe)[0])
    known = {
        "prompt": prompt,
        "prompt_2": None,
        "prompt_3": None,
        "device": torch.device("cpu"),
        "num_images_per_prompt": copies,
        "num_videos_per_prompt": copies,
        "do_classifier_free_guidance": guidance,
        "negative_prompt": negative,
        "guidance_scale": 5.0 if guidance else 1.0,
        "batch_size": len(prompt) if isinstance(prompt, list) else 1,
        "max_sequence_length": 512 if "QwenImage" in type(pipe).__name__ else 64,  # room for its template
        "clean_caption": False,
        "text_encoder_out_layers": (1, 2),
        "prompt_template": {"template": "photo near {} on beach", "crop_start": 1},
        **more,
    }
    if isinstance(negative, str) and isinstance(prompt, list):
        known["negative_prompt"] = [negative] * len(prompt)
    parameters = inspect.signature(method).parameters
    left = {n for n, p in parameters.items() if n.startswith("image") and p.default is not p.empty}
    with torch.no_grad():
        return method(
            **{name: value for name, value in known.items() if name in parameters and name not in left}
        )
