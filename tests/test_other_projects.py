"""The ways in which other personalisation projects call diffusers, each as its own code does, at toy size.

The judge each time: the same call with the anchor in the placeholder's stead, and the bare pipeline's picture
once the handle is gone.
"""

import pytest
import torch
from diffusers import FluxPipeline

import uncollapse as uc
from toys.custom_diffusion import trained
from toys.pipelines import WIDTH, make_pipeline
from toys.whole_pipelines import build, draw

PROMPT, TWIN = "a photo of sks cat in the snow", "a photo of big dog in the snow"


def assert_follows(pipe, picture, placeholder="sks cat", anchor="big dog", prompt=PROMPT, twin=TWIN):
    plain, target = picture(pipe, prompt), picture(pipe, twin)
    assert not torch.equal(plain, target)
    with uc.apply(pipe, placeholder, anchor=anchor, alpha=1, beta=1):
        torch.testing.assert_close(picture(pipe, prompt), target, atol=1e-5, rtol=0)
    with uc.apply(pipe, placeholder, anchor=anchor, alpha=0, beta=None):
        assert torch.equal(picture(pipe, prompt), plain)
    assert torch.equal(picture(pipe, prompt), plain)


def test_ominicontrol_a_function_of_its_own_that_calls_the_pipelines_encode_prompt():
    def generate(pipeline, prompt):
        embeds, pooled, text_ids = pipeline.encode_prompt(
            prompt=prompt, prompt_2=None, prompt_embeds=None, pooled_prompt_embeds=None,
            device=torch.device("cpu"), num_images_per_prompt=1, max_sequence_length=64, lora_scale=None,
        )  # fmt: skip
        latents = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
        image_ids = pipeline._prepare_latent_image_ids(1, 4, 4, "cpu", torch.float32)
        with torch.no_grad():
            return pipeline.transformer(
                hidden_states=latents, timestep=torch.ones(1), pooled_projections=pooled,
                encoder_hidden_states=embeds, txt_ids=text_ids, img_ids=image_ids, return_dict=False,
            )[0]  # fmt: skip

    assert_follows(build("Flux"), generate)


class EasyControlPipeline(FluxPipeline):
    """With an ``encode_prompt`` of its own, as EasyControl's copy of Flux's pipeline has."""

    def encode_prompt(self, prompt, prompt_2=None, device=None, *rest, max_sequence_length=64, **more):
        prompts = [prompt] if isinstance(prompt, str) else prompt
        pooled = self._get_clip_prompt_embeds(prompt=prompts, device=torch.device("cpu"))
        embeds = self._get_t5_prompt_embeds(
            prompt=prompt_2 or prompts, max_sequence_length=64, device=torch.device("cpu")
        )
        return embeds, pooled, torch.zeros(embeds.shape[1], 3)


def test_easycontrol_a_subclass_with_an_encode_prompt_of_its_own():
    pipe = EasyControlPipeline(**build("Flux").components)
    pipe.set_progress_bar_config(disable=True)
    assert_follows(pipe, draw)


def test_reversion_a_relation_token_whose_anchor_is_a_phrase():
    """ReVersion writes its row into the table itself: "cat <R> snow", <R> learned from "carved by"."""
    pipe = build("SD")
    pipe.tokenizer.add_tokens("<R>")
    pipe.text_encoder.resize_token_embeddings(len(pipe.tokenizer))
    row = pipe.tokenizer.convert_tokens_to_ids("<R>")
    table = pipe.text_encoder.get_input_embeddings().weight.data
    table[row] = 4 * torch.randn(WIDTH, generator=torch.Generator().manual_seed(2))
    learned = table[row].clone()
    plain = draw(pipe, "a cat <R> a car")
    words = pipe.tokenizer("near the", add_special_tokens=False).input_ids
    with uc.apply(pipe, "<R>", anchor="near the", alpha=1, beta=1):
        directions = torch.nn.functional.normalize(table[words], dim=-1)
        assert torch.cosine_similarity(table[row], directions.mean(0), dim=0) > 0.99
        torch.testing.assert_close(table[row].norm(), table[words].norm(dim=-1).mean(), rtol=1e-4, atol=0)
        assert not torch.equal(draw(pipe, "a cat <R> a car"), plain)
    assert torch.equal(table[row], learned)
    assert_follows_at_prompt_level(pipe)


def assert_follows_at_prompt_level(pipe):
    plain = draw(pipe, "a cat <R> a car")
    with uc.apply(pipe, "<R>", anchor="near the", level="prompt", alpha=0.5):
        assert not torch.equal(draw(pipe, "a cat <R> a car"), plain)
    assert torch.equal(draw(pipe, "a cat <R> a car"), plain)


@pytest.mark.parametrize("method", ["Custom Diffusion", "ClassDiffusion"])
def test_custom_diffusion_and_classdiffusion_by_diffusers_own_loaders(method, tmp_path):
    """Both projects' scripts: ``load_attn_procs``, ``load_textual_inversion``, "<new1> cat"."""
    trained(seed=5 if method == "ClassDiffusion" else 6).unet.save_attn_procs(
        tmp_path, weight_name="pytorch_custom_diffusion_weights.bin", safe_serialization=False
    )
    torch.save({"<new1>": 2 * torch.randn(WIDTH)}, tmp_path / "<new1>.bin")
    pipe = build("SD")
    before = draw(pipe, PROMPT)
    pipe.unet.load_attn_procs(
        tmp_path, weight_name="pytorch_custom_diffusion_weights.bin", use_safetensors=False, _pipeline=pipe
    )
    assert not torch.equal(draw(pipe, PROMPT), before)
    pipe.load_textual_inversion(str(tmp_path), weight_name="<new1>.bin")
    assert_follows(pipe, draw, "<new1> cat", "big dog", "a photo of <new1> cat in the snow", TWIN)


def test_an_encoder_offloaded_part_by_part_is_adjusted_at_prompt_level():
    """accelerate's hooks, as ``enable_sequential_cpu_offload`` sets them: weights leave between calls."""
    from accelerate import cpu_offload

    pipe = build("SD")
    plain, target = draw(pipe, PROMPT), draw(pipe, TWIN)
    for part in (pipe.text_encoder, pipe.unet, pipe.vae):
        cpu_offload(part, torch.device("cpu"))
    assert next(pipe.text_encoder.parameters()).device.type == "meta"
    assert_follows(pipe, draw)
    assert torch.equal(draw(pipe, PROMPT), plain)
    assert torch.equal(draw(pipe, TWIN), target)


def test_an_encoder_offloaded_whole_is_adjusted_at_both_levels():
    """accelerate's hook, as ``enable_model_cpu_offload`` sets it: the model moves when it is called."""
    from accelerate import cpu_offload_with_hook

    pipe = make_pipeline()
    pipe.set_progress_bar_config(disable=True)
    _, hook = cpu_offload_with_hook(pipe.text_encoder, torch.device("cpu"))
    cpu_offload_with_hook(pipe.unet, torch.device("cpu"), prev_module_hook=hook)
    assert_follows(pipe, draw)
    pipe.tokenizer.add_tokens("<cat>")
    pipe.text_encoder.resize_token_embeddings(len(pipe.tokenizer))
    plain = draw(pipe, "a photo of <cat>")
    with uc.apply(pipe, "<cat>", anchor="dog", alpha=1, beta=1):
        adjusted = draw(pipe, "a photo of <cat>")
    torch.testing.assert_close(adjusted, draw(pipe, "a photo of dog"), atol=1e-5, rtol=0)
    assert torch.equal(draw(pipe, "a photo of <cat>"), plain)
