"""apply(schedule=…): alpha over the denoising steps.

The judge: the same pipeline without a schedule, whose own callback puts in embeddings that were made
beforehand, one set for each step.
"""

import pytest
import torch

import uncollapse as uc
from toys.modular import modular
from toys.pipelines import make_pipeline
from toys.whole_pipelines import build, draw

PROMPT, STEPS, ALPHA = "a photo of sks cat in the snow", 4, 0.8
SCHEDULES = {"falling": lambda p: 1 - p, "late": lambda p: float(p > 0.5), "early": lambda p: float(p < 0.5)}


def _encode(pipe, prompt, kind):
    if kind == "SDXL":
        embeds, negative, *_ = pipe.encode_prompt(prompt, device="cpu")
    else:
        embeds, negative = pipe.encode_prompt(prompt, "cpu", 1, True)
    return torch.cat([negative, embeds])


@pytest.mark.parametrize("factor", SCHEDULES.values(), ids=SCHEDULES)
def test_each_step_hears_its_own_alpha(factor):
    pipe = build("SD")
    prompts = ["a red car near a bridge", PROMPT]
    embeds = []
    for step in range(STEPS):
        share = ALPHA * factor(step / (STEPS - 1))
        with uc.apply(pipe, "sks cat", anchor="dog", alpha=share), torch.no_grad():
            embeds.append(_encode(pipe, prompts, "SD"))

    def put_in(pipe, step, timestep, tensors):
        return {"prompt_embeds": embeds[min(step + 1, STEPS - 1)]}

    def by_hand():
        negative, prompt = embeds[0].chunk(2)
        inputs = {"callback_on_step_end": put_in, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
        return draw(pipe, None, STEPS, prompt_embeds=prompt, negative_prompt_embeds=negative, **inputs)

    with uc.apply(pipe, "sks cat", anchor="dog", alpha=ALPHA, schedule=factor):
        scheduled = draw(pipe, prompts, steps=STEPS)
    torch.testing.assert_close(scheduled, by_hand(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["SD", "SDXL", "SD3", "Flux"])
def test_a_constant_schedule_is_none_and_any_other_is_not(kind):
    pipe = build(kind)
    plain = draw(pipe, PROMPT, STEPS)
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=ALPHA):
        constant = draw(pipe, PROMPT, STEPS)
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=ALPHA, schedule=lambda p: 1):
        assert torch.equal(draw(pipe, PROMPT, STEPS), constant)
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=ALPHA, beta=None, schedule=lambda p: 0):
        assert torch.equal(draw(pipe, PROMPT, STEPS), plain)
    with uc.apply(pipe, "sks cat", anchor="dog", alpha=ALPHA, schedule=lambda p: 1 - p) as handle:
        assert not torch.equal(draw(pipe, PROMPT, STEPS), constant)
        assert torch.equal(draw(pipe, PROMPT, STEPS), draw(pipe, PROMPT, STEPS))
        handle.remove()
        assert torch.equal(draw(pipe, PROMPT, STEPS), plain)


def test_the_callers_own_callback_still_runs_and_has_the_last_word():
    pipe, seen = build("SD"), []

    def own(pipe, step, timestep, tensors):
        seen.append((step, sorted(tensors)))
        return {"latents": torch.zeros_like(tensors["latents"])}

    with uc.apply(pipe, "sks cat", anchor="dog", alpha=ALPHA, schedule=lambda p: 1 - p):
        emptied = draw(pipe, PROMPT, STEPS, callback_on_step_end=own)
    assert [step for step, _ in seen] == list(range(STEPS))
    assert all("latents" in names for _, names in seen)
    assert torch.equal(emptied, draw(pipe, PROMPT, STEPS, callback_on_step_end=own))


def test_the_pipeline_is_given_back_with_its_own_class():
    pipe = make_pipeline()
    kind, attributes = type(pipe), dict(vars(pipe))
    with uc.apply(pipe, "sks cat", anchor="dog", schedule=lambda p: 1 - p):
        assert isinstance(pipe, kind)
        assert type(pipe).__name__ == kind.__name__
    assert type(pipe) is kind
    assert dict(vars(pipe)) == attributes


def test_what_cannot_follow_a_schedule_is_refused():
    pipe = modular("wan.WanTextEncoderStep")
    kinds = [type(block) for block in pipe._blocks.sub_blocks.values()]
    with pytest.raises(uc.PipelineError, match="cannot follow a schedule"):
        uc.apply(pipe, "sks cat", anchor="dog", schedule=lambda p: p)
    assert [type(block) for block in pipe._blocks.sub_blocks.values()] == kinds
    learned = make_pipeline()
    learned.tokenizer.add_tokens("<cat>")
    learned.text_encoder.resize_token_embeddings(len(learned.tokenizer))
    with pytest.raises(uc.AdjustmentError, match="level="):
        uc.apply(learned, "<cat>", anchor="dog", schedule=lambda p: p)


def test_a_schedule_out_of_range_says_so():
    pipe = build("SD")
    with (
        uc.apply(pipe, "sks cat", anchor="dog", alpha=0.5, schedule=lambda p: 3.0),
        pytest.raises(uc.AdjustmentError, match="between 0 and 1"),
    ):
        draw(pipe, PROMPT, STEPS)


@pytest.mark.parametrize("schedule", ["linear", 0.5, lambda p: None, lambda p: "half", lambda p: [p]])
def test_a_schedule_that_is_none_is_refused_at_once(schedule):
    pipe = make_pipeline()
    kind = type(pipe)
    with pytest.raises(
        uc.AdjustmentError, match=r"apply\(\).*schedule.* is no .*lambda progress: 1 - progress"
    ):
        uc.apply(pipe, "sks cat", anchor="dog", schedule=schedule)
    assert type(pipe) is kind


def test_a_schedule_that_stops_saying_numbers_is_named():
    pipe = build("SD")
    with (
        uc.apply(pipe, "sks cat", anchor="dog", schedule=lambda p: 1 if p < 0.5 else None),
        pytest.raises(uc.AdjustmentError, match=r"returns None at progress 0\.6"),
    ):
        draw(pipe, PROMPT, STEPS)
