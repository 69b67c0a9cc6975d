"""The same concept, prompt and settings give the same conditioning in ComfyUI and in diffusers.

Both sides get one model's weights; ComfyUI's code is its own. ``pytest -m comfyui -s`` prints the largest
differences, which docs/comfyui.md states.
"""

from __future__ import annotations

import diffusers
import peft
import pytest
import torch

import uncollapse as uc
from toys import comfyui_tree as tree
from uncollapse.comfyui.encoding import base_of, encoded
from uncollapse.comfyui.finished import finished
from uncollapse.pipelines.pairing import to_twin

pytestmark = [*tree.needs_comfyui, pytest.mark.filterwarnings("ignore")]

PROMPT = "a photo of sks dog wearing a red hat, in the grand canyon"
SETTINGS = {
    "α 0.4, β 1.5": dict(alpha=0.4, beta=1.5),
    "α 0/1/1, β 1": dict(alpha=uc.ByRole(0, 1, 1), beta=1.0),
    "α 0.2/0.7/0.9, norms kept": dict(alpha=uc.ByRole(0.2, 0.7, 0.9), beta=None),
}
SAME = 2e-5  # float32's rounding, of values up to 5


def sd1():
    model = tree.clip_model("clip_l")
    pipe = diffusers.StableDiffusionPipeline(
        vae=None,
        text_encoder=model,
        tokenizer=tree.tokenizer(),
        unet=None,
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return pipe, {"clip_l": model}, lambda text: (pipe.encode_prompt(text, "cpu", 1, False)[0], None)


def sdxl():
    models = {"clip_l": tree.clip_model("clip_l"), "clip_g": tree.clip_model("clip_g", 1, projected=True)}
    pipe = diffusers.StableDiffusionXLPipeline(
        vae=None,
        text_encoder=models["clip_l"],
        text_encoder_2=models["clip_g"],
        tokenizer=tree.tokenizer(),
        tokenizer_2=tree.tokenizer(pad="!"),
        unet=None,
        scheduler=None,
        add_watermarker=False,
    )

    def encode(text):
        found = pipe.encode_prompt(text, device="cpu", do_classifier_free_guidance=False)
        return found[0], found[2]

    return pipe, models, encode


def sd3():
    models = {
        "clip_l": tree.clip_model("clip_l", projected=True),
        "clip_g": tree.clip_model("clip_g", 1, projected=True),
        "t5xxl": tree.t5_model(4096),  # ComfyUI pads the others to it
    }
    pipe = diffusers.StableDiffusion3Pipeline(
        vae=None,
        text_encoder=models["clip_l"],
        text_encoder_2=models["clip_g"],
        text_encoder_3=models["t5xxl"],
        tokenizer=tree.tokenizer(),
        tokenizer_2=tree.tokenizer(pad="!"),
        tokenizer_3=tree.t5_tokenizer(),
        transformer=None,
        scheduler=None,
    )

    def encode(text):
        found = pipe.encode_prompt(
            text, text, text, device="cpu", do_classifier_free_guidance=False, max_sequence_length=77
        )
        return found[0], found[2]

    return pipe, models, encode


def flux():
    models = {"clip_l": tree.clip_model("clip_l"), "t5xxl": tree.t5_model()}
    pipe = diffusers.FluxPipeline(
        vae=None,
        text_encoder=models["clip_l"],
        text_encoder_2=models["t5xxl"],
        tokenizer=tree.tokenizer(),
        tokenizer_2=tree.t5_tokenizer(),
        transformer=None,
        scheduler=None,
    )

    def encode(text):
        return pipe.encode_prompt(text, text, device="cpu", max_sequence_length=256)[:2]

    return pipe, models, encode


FAMILIES = {"sd1": sd1, "sdxl": sdxl, "sd3": sd3, "flux": flux}


def distance(conditioning, embeds, pooled) -> float:
    """The largest difference of any component; conditionings are ComfyUI's, the others diffusers'."""
    [[cond, options]] = conditioning
    assert cond.shape == embeds.shape
    differences = [(cond - embeds).abs().max().item()]
    if pooled is not None:
        differences.append((options["pooled_output"] - pooled).abs().max().item())
    return max(differences)


@pytest.mark.parametrize("family", FAMILIES)
def test_conditioning_is_that_of_diffusers(family):
    pipe, models, encode = FAMILIES[family]()
    clip = tree.comfy_clip(family, models)
    with torch.no_grad():
        plain = encode(PROMPT)
        untouched = clip.encode_from_tokens_scheduled(clip.tokenize(PROMPT))
        found = {"plain": distance(untouched, *plain)}
        for name, settings in SETTINGS.items():
            concept = uc.Concept("sks dog", "dog", **settings)
            read = encoded(clip, base_of(clip), PROMPT, [concept])
            with uc.apply(pipe, concept):
                theirs = encode(PROMPT)
            assert (theirs[0] - plain[0]).abs().max() > 0.05  # it does something
            found[name] = distance(read.adjusted([concept]), *theirs)
            twin = clip.encode_from_tokens_scheduled(clip.tokenize(to_twin([concept], PROMPT)))
            by_trace = finished(untouched, twin, clip, PROMPT, [concept])
            found[f"{name}, finished"] = distance(by_trace.adjusted([concept]), *theirs)
    for name, difference in found.items():
        print(f"{family:5} {name:36} {difference:.1e} of {plain[0].abs().max():.1f}")
    assert max(found.values()) < SAME


def test_anchor_is_encoded_without_the_lora_as_in_diffusers():
    pipe, models, encode = sd1()
    clip = tree.comfy_clip("sd1", models)
    torch.manual_seed(3)
    config = peft.LoraConfig(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    pipe.text_encoder.add_adapter(config)
    patches = {}
    for name, module in pipe.text_encoder.named_modules():
        if hasattr(module, "lora_A"):
            change = module.lora_B["default"].weight @ module.lora_A["default"].weight
            key = f"text_model.{name.removeprefix('text_model.')}.weight"
            patches[f"clip_l.transformer.{key}"] = ("diff", (change.detach(),))
    tuned = clip.clone()
    assert len(tuned.add_patches(patches)) == len(patches) > 0
    with torch.no_grad():
        for who in ("base", "tuned"):
            concept = uc.Concept("sks dog", "dog", 0.4, anchor_encoder=who)
            base = base_of(tuned) if who == "base" else tuned
            read = encoded(tuned, base, PROMPT, [concept])
            with uc.apply(pipe, concept):
                theirs = encode(PROMPT)
            difference = distance(read.adjusted([concept]), *theirs)
            print(f"sd1   with a LoRA, anchor by the {who} encoder {difference:5.1e}")
            assert difference < SAME
        again = clip.encode_from_tokens_scheduled(clip.tokenize(PROMPT))
        pipe.disable_lora()
        assert distance(again, *encode(PROMPT)) < SAME  # the clip itself is as it was


def test_embeddings_move_as_in_diffusers(tmp_path):
    pipe, models, encode = sd1()
    rows = 2 * torch.randn(2, tree.WIDTHS["clip_l"])
    embedding = uc.learned_embeds.LearnedEmbedding("<cat>", {"clip_l": rows})
    uc.learned_embeds.write(tmp_path / "my-cat.safetensors", embedding, "kohya")
    clip = tree.comfy_clip("sd1", models, tmp_path)
    pipe.load_textual_inversion({"<cat>": rows}, token="<cat>")
    text = "a photo of {}, wearing a hat, in the snow"
    theirs_is, ours_is = uc.Concept("<cat>", "cat", 0.3), uc.Concept("embedding:my-cat", "cat", 0.3)
    with torch.no_grad():
        read = encoded(clip, base_of(clip), text.format("embedding:my-cat"), [ours_is])
        with uc.apply(pipe, theirs_is):
            theirs = encode(text.format("<cat>"))
    difference = distance(read.result, *theirs)
    print(f"sd1   embedding of two vectors, token level {difference:8.1e}")
    assert difference < SAME
