"""What each family predicts and how it is weighed, against the formulas written out."""

import diffusers
import pytest
import torch

from toys.pipelines import make_pipeline
from toys.whole_pipelines import build
from uncollapse.training.families import family_of
from uncollapse.training.latents import Latents, encode_pictures

KINDS = ("epsilon", "v_prediction", "sample")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(shape):
    """The noise level and the noise that ``losses`` draws, in its order."""
    draws = generator()
    return torch.randint(1000, shape[:1], generator=draws), torch.randn(shape, generator=draws)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ceiling", [None, 5.0])
def test_diffusion_is_measured_by_what_the_model_predicts(pipe, kind, ceiling):
    """α and σ in float64; min(SNR, γ) weighs the error of x₀, to which that of ε and of v are converted."""
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config, prediction_type=kind)
    family = family_of(pipe)
    latents = torch.randn(3, 4, 8, 8, generator=generator(1))
    conditions = family.encode(["a photo of cat"] * 3)
    with torch.no_grad():
        losses = family.losses(latents, conditions, generator(), ceiling)
    t, noise = drawn(latents.shape)
    squared = pipe.scheduler.alphas_cumprod.double()[t].view(-1, 1, 1, 1)
    alpha, sigma = squared.sqrt(), (1 - squared).sqrt()
    noisy = alpha * latents + sigma * noise
    target = {"epsilon": noise, "v_prediction": alpha * noise - sigma * latents, "sample": latents}[kind]
    with torch.no_grad():
        predicted = pipe.unet(noisy.float(), t, conditions["prompt_embeds"]).sample
    expected = (predicted - target).pow(2).mean((1, 2, 3))
    if ceiling:
        snr = (alpha / sigma).pow(2).flatten()
        in_x0 = {"epsilon": snr, "v_prediction": snr + 1, "sample": 1}[kind]
        expected = expected * snr.clamp(max=ceiling) / in_x0
    torch.testing.assert_close(losses.double(), expected.double(), atol=1e-5, rtol=1e-4)


def test_pure_noise_weighs_nothing_and_is_no_nan(pipe):
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config, rescale_betas_zero_snr=True)
    family = family_of(pipe)
    assert family._weights(torch.tensor([999]), 5.0).item() == 0


def test_flux_predicts_the_way_from_picture_to_noise():
    pipe = build("Flux")
    family = family_of(pipe)
    latents = torch.randn(2, 4, 16, 16, generator=generator(1))
    conditions = family.encode(["a photo of cat"] * 2)
    seen = {}

    def nothing(hidden_states, timestep, **_):
        seen.update(noisy=hidden_states, sigma=timestep)
        return type("Output", (), {"sample": torch.zeros_like(hidden_states)})

    pipe.transformer.forward = nothing
    losses = family.losses(latents, conditions, generator())
    draws = generator()
    sigma = torch.randn(2, generator=draws).sigmoid()
    noise = torch.randn(latents.shape, generator=draws)
    torch.testing.assert_close(seen["sigma"], sigma)
    torch.testing.assert_close(losses, (noise - latents).pow(2).mean((1, 2, 3)))
    share = sigma.view(-1, 1, 1, 1)
    noisy = pipe._unpack_latents(seen["noisy"], 16 * pipe.vae_scale_factor, 16 * pipe.vae_scale_factor,
                                 pipe.vae_scale_factor)  # fmt: skip
    torch.testing.assert_close(noisy, (1 - share) * latents + share * noise)


@pytest.mark.parametrize("family", ["SD", "SDXL", "Flux"])
def test_a_prompt_is_encoded_as_drawing_encodes_it(family):
    pipe = build(family)
    conditions = family_of(pipe).encode(["a photo of cat", "dog"])
    more = {"max_sequence_length": 64} if family == "Flux" else {"do_classifier_free_guidance": False}
    more |= {"num_images_per_prompt": 1}
    encoded = pipe.encode_prompt(["a photo of cat", "dog"], device=torch.device("cpu"), **more)
    torch.testing.assert_close(conditions["prompt_embeds"], encoded[0])
    if family != "SD":
        torch.testing.assert_close(conditions["pooled"], encoded[2 if family == "SDXL" else 1])


def test_latents_are_the_autoencoders_scaled_and_drawn_anew():
    pipe = build("SDXL")
    pictures = torch.rand(2, 3, 16, 16, generator=generator()) * 2 - 1
    latents = encode_pictures(pipe, pictures)
    with torch.no_grad():
        distribution = pipe.vae.encode(pictures).latent_dist
    scale = pipe.vae.config.scaling_factor
    torch.testing.assert_close(latents.mean, distribution.mean * scale)
    torch.testing.assert_close(latents.std, distribution.std * scale)
    many = torch.stack([latents.draw(2, generator(i))[1].sort(0).values for i in range(300)])
    expected = Latents(latents.mean, latents.std).mean
    torch.testing.assert_close(many.mean(0).sum(0), expected.sum(0), atol=0.2, rtol=0)


def test_every_photo_is_seen_as_often_as_every_other():
    latents = encode_pictures(make_pipeline(), torch.rand(3, 3, 16, 16))
    for count in (1, 3, 7):
        which, drawn_latents = latents.draw(count, generator())
        assert drawn_latents.shape[0] == count
        seen = torch.bincount(which, minlength=3)
        assert seen.max() - seen.min() <= 1
