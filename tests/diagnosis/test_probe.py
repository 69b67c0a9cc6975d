"""The denoiser probe: against the pipeline's own calls, the same for noise, v and flow, seeing an "
"adjustment."""

import functools
import inspect

import pytest
import torch

import uncollapse as uc
from toys.pipelines import add_lora, generate, make_pipeline
from toys.states import assert_same_state, state_of
from toys.whole_pipelines import build
from uncollapse.diagnosis.probe import ProbeSettings, Response, base_response, probe, response
from uncollapse.errors import PipelineError

TEMPLATES = ["{} in the snow", "{} on the beach", "{} wearing a red hat"]
SETTINGS = ProbeSettings(timesteps=(0.6, 0.9), seeds=(0, 1, 2), batch_size=2)


def made_up(*shape):
    return Response(torch.randn(3, *shape), torch.randn(*shape))


def test_closed_forms():
    base = made_up(2, 5)
    same = probe(base, base)
    assert (same.response.value, same.cosine.value, same.heard.value) == (
        pytest.approx(1),
        pytest.approx(1),
        pytest.approx(1),
    )
    half = probe(Response(base.without + (base.with_context - base.without) / 2, base.without), base)
    assert (half.response.value, half.cosine.value, half.heard.value) == (
        pytest.approx(0.5),
        pytest.approx(1),
        pytest.approx(0.5),
    )
    deaf = probe(Response(base.without.expand(3, -1, -1), base.without), base)
    assert (deaf.response.value, deaf.cosine.value, deaf.heard.value) == (0, 0, 0)
    astray = probe(Response(2 * base.without - base.with_context, base.without), base)
    assert (astray.response.value, astray.heard.value) == (pytest.approx(1), pytest.approx(-1))
    assert half.heard.low <= 0.5 <= half.heard.high
    assert same.presence.value == 0
    assert half.presence.value == pytest.approx(0.5)
    torch.testing.assert_close(half.by_context, torch.full((3,), 0.5).double())


def test_noise_velocity_and_flow_give_the_same_figures():
    """v = α·ε − σ·x₀ and x₀ = (x_t − σ·ε)/α, so v differs from ε by a factor and a term without the "
    "prompt."""
    x, a, s = torch.randn(2, 5), 0.3, 0.95
    ours, base = made_up(2, 5), made_up(2, 5)

    def velocity(noise):
        return a * noise - s * (x - s * noise) / a

    def of(r, change):
        return Response(change(r.with_context), change(r.without))

    plain, changed = probe(ours, base), probe(of(ours, velocity), of(base, velocity))
    assert plain.presence.value == pytest.approx(changed.presence.value, rel=1e-4)
    torch.testing.assert_close(plain.by_context, changed.by_context, rtol=1e-4, atol=1e-6)
    flow = probe(of(ours, lambda e: (e - x) / 0.1), of(base, lambda e: (e - x) / 0.1))
    torch.testing.assert_close(plain.by_context, flow.by_context, rtol=1e-4, atol=1e-6)


def test_it_is_what_the_denoiser_says_to_the_pipelines_own_prompt_embeds(pipe):
    found = response(pipe, "cat", TEMPLATES, SETTINGS)
    assert found.with_context.shape == (3, 6, 4 * 8 * 8)
    with torch.no_grad():
        embeds = pipe.encode_prompt("cat on the beach", "cpu", 1, False)[0]
        noise = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(1))[None]
        expected = pipe.unet(noise, 900, embeds).sample
    torch.testing.assert_close(found.with_context[1, 4], expected.flatten(), rtol=1e-4, atol=1e-5)


def test_batches_do_not_matter(pipe):
    one = response(pipe, "cat", TEMPLATES, SETTINGS)
    other = response(pipe, "cat", TEMPLATES, ProbeSettings((0.6, 0.9), (0, 1, 2), batch_size=8))
    torch.testing.assert_close(one.with_context, other.with_context, rtol=1e-4, atol=1e-5)


def test_the_base_is_the_pipeline_without_its_adapters(lora_pipe):
    plain = response(make_pipeline(), "cat", TEMPLATES, SETTINGS)
    concept = uc.Concept("sks cat", "cat")
    base = base_response(lora_pipe, concept, TEMPLATES, SETTINGS)
    torch.testing.assert_close(base.with_context, plain.with_context, rtol=1e-4, atol=1e-5)
    lent = base_response(lora_pipe, concept, TEMPLATES, SETTINGS, base=make_pipeline())
    torch.testing.assert_close(lent.with_context, plain.with_context, rtol=1e-4, atol=1e-5)


def test_an_adjustment_is_seen_and_nothing_is_left_behind(lora_pipe):
    generate(lora_pipe, "sks cat")  # a call leaves attributes of its own on a pipeline
    lora_pipe.__dict__.pop("_guidance_scale")
    before = state_of(lora_pipe)
    concept = uc.Concept("sks cat", "cat")
    base = base_response(lora_pipe, concept, TEMPLATES, SETTINGS)
    bare = response(lora_pipe, "sks cat", TEMPLATES, SETTINGS)
    with uc.apply(lora_pipe, "sks cat", anchor="cat", alpha=1.0, beta=1.0):
        adjusted = response(lora_pipe, "sks cat", TEMPLATES, SETTINGS)
    assert not torch.allclose(bare.with_context, adjusted.with_context)
    assert probe(adjusted, base).by_context.isfinite().all()
    lora_pipe.__dict__.pop("_guidance_scale")
    assert_same_state(before, state_of(lora_pipe))


def test_fully_adjusted_text_leaves_only_the_denoisers_own_change(pipe):
    """α = 1 with a LoRA in the text encoder alone: the base model's response, all of it."""
    add_lora(pipe)
    for layer in pipe.unet.modules():
        if hasattr(layer, "scaling"):
            layer.scaling = dict.fromkeys(layer.scaling, 0.0)
    concept = uc.Concept("sks cat", "cat")
    base = base_response(pipe, concept, TEMPLATES, SETTINGS)
    collapsed = probe(response(pipe, "sks cat", TEMPLATES, SETTINGS), base)
    with uc.apply(pipe, "sks cat", anchor="cat", alpha=1.0, beta=1.0):
        cured = probe(response(pipe, "sks cat", TEMPLATES, SETTINGS), base)
    assert abs(cured.heard.value - 1) < abs(collapsed.heard.value - 1)
    assert cured.cosine.value > collapsed.cosine.value


@pytest.mark.parametrize(
    "settings", [dict(timesteps=()), dict(timesteps=(0.0,)), dict(timesteps=(850,)), dict(seeds=())]
)
def test_settings_out_of_range(settings):
    with pytest.raises(PipelineError, match="timesteps are shares of the schedule"):
        ProbeSettings(**settings)


def test_a_model_that_hears_no_context_is_said_to():
    deaf = Response(torch.zeros(3, 2, 5), torch.zeros(2, 5))
    with pytest.raises(PipelineError, match="does not change with the context at all"):
        probe(made_up(2, 5), deaf)


def test_pipelines_that_want_more_than_a_prompt_are_refused(pipe):
    import diffusers

    picture = diffusers.StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    with pytest.raises(
        PipelineError, match="StableDiffusionImg2ImgPipeline cannot be called with a prompt alone"
    ):
        response(picture, "cat", TEMPLATES, SETTINGS)


def test_a_progress_bar_stays_as_it_was(pipe):
    pipe.set_progress_bar_config(desc="mine")
    response(pipe, "cat", TEMPLATES[:1], ProbeSettings())
    assert pipe._progress_bar_config == {"desc": "mine"}


@pytest.mark.parametrize("name", ["SD", "SDXL", "SD3", "Flux"])  # the toy PixArt draws at no size of its own
def test_every_kind_of_pipeline(name, monkeypatch):
    """U-Nets and transformers, one encoder or three, diffusion or flow: the denoiser is asked what was "
    "meant."""
    pipe = build(name)
    asked = []
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    forward = denoiser.forward

    @functools.wraps(forward)
    def noting(*args, **kwargs):
        bound = inspect.signature(forward).bind(*args, **kwargs)
        asked.append((next(iter(bound.arguments.values())), bound.arguments["timestep"].flatten()[0]))
        return forward(*args, **kwargs)

    monkeypatch.setattr(denoiser, "forward", noting)
    found = response(pipe, "cat", TEMPLATES, ProbeSettings((0.5,), (3,)))
    assert found.with_context.isfinite().all()
    assert found.to_context.norm(dim=1).min() > 0
    [(sample, t)] = asked
    whole = 1 if name == "Flux" else 1000  # Flux's transformer takes shares
    assert t.item() == pytest.approx(0.5 * whole)
    assert sample.std().item() == pytest.approx(0.5 if name in ("Flux", "SD3") else 1, rel=0.2)
    assert torch.equal(sample[0], sample[-1])
