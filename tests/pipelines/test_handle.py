"""The handle: in force, removed, refused; and pipelines that do not meet."""

import threading

import diffusers
import pytest
import torch

import uncollapse as uc
from toys.adjusters import Projection, Weighting
from toys.layouts import LAYOUTS, NoDenoiser, build, encode_any
from toys.pipelines import add_token, encode, make_pipeline
from toys.states import assert_same_state, state_of
from uncollapse.errors import AdjustmentError, AnchorError, PipelineError, PlaceholderError

PROMPT = "a photo of sks cat in the snow"
TABLE = "embeddings.token_embedding.weight"


class Rows(Weighting):
    """For learned rows alone."""

    title = "Rows"
    levels = frozenset({"token"})


def test_it_acts_until_removed_with_or_without_a_block(pipe):
    before, plain = state_of(pipe), encode(pipe, PROMPT)[0]
    handle = uc.apply(pipe, "sks cat", anchor="cat")
    assert not torch.equal(encode(pipe, PROMPT)[0], plain)
    assert "sks cat" in repr(handle)
    with handle as same:
        assert same is handle
    assert torch.equal(encode(pipe, PROMPT)[0], plain)
    handle.remove()
    assert_same_state(before, state_of(pipe))


def test_a_second_adjustment_of_the_same_pipeline_is_refused(pipe):
    with uc.apply(pipe, "sks cat", anchor="cat"):
        adjusted = encode(pipe, PROMPT)[0]
        with pytest.raises(PipelineError, match=r"adjusted already.*handle.remove\(\)"):
            uc.apply(pipe, "sks dog", anchor="dog")
        assert torch.equal(encode(pipe, PROMPT)[0], adjusted)
    uc.apply(pipe, "sks dog", anchor="dog").remove()


def test_pipelines_do_not_meet(pipe):
    other = make_pipeline()
    plain = encode(other, PROMPT)[0]
    with uc.apply(pipe, "sks cat", anchor="cat"), uc.apply(other, "sks cat", anchor="dog", alpha=0.9):
        one, two = encode(pipe, PROMPT)[0], encode(other, PROMPT)[0]
    assert not torch.equal(one, two)
    with uc.apply(pipe, "sks cat", anchor="cat"):
        assert torch.equal(encode(other, PROMPT)[0], plain)
        assert torch.equal(encode(make_pipeline(), PROMPT)[0], plain)


def test_threads_on_two_pipelines_do_not_meet(lora_pipe):
    other = make_pipeline()
    expected, found = {}, {}
    for pipe in (lora_pipe, other):
        with uc.apply(pipe, "sks cat", anchor="cat"):
            expected[pipe] = encode(pipe, PROMPT)[0]

    def work(pipe):
        for _ in range(5):
            with uc.apply(pipe, "sks cat", anchor="cat"):
                found.setdefault(pipe, []).append(encode(pipe, PROMPT)[0])

    threads = [threading.Thread(target=work, args=(pipe,)) for pipe in (lora_pipe, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(one, expected[pipe]) for pipe in found for one in found[pipe])
    assert [len(results) for results in found.values()] == [5, 5]


def test_the_pipeline_saves_and_copies_as_usual_while_adjusted(pipe, tmp_path):
    plain = encode(pipe, PROMPT)[0]
    with uc.apply(pipe, "sks cat", anchor="cat"):
        pipe.save_pretrained(tmp_path)
        copy = diffusers.StableDiffusionPipeline.from_pipe(pipe, vae=pipe.vae)
        assert torch.equal(encode(copy, PROMPT)[0], plain)
    loaded = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path)
    torch.testing.assert_close(encode(loaded, PROMPT)[0], plain)


def test_wrappers_of_others_survive(pipe):
    """Personalisation projects override encode_prompt on the instance: before us, and after."""
    own = pipe.encode_prompt
    calls = []

    def before(*args, **kwargs):
        calls.append("before")
        return own(*args, **kwargs)

    pipe.encode_prompt = before
    handle = uc.apply(pipe, "sks cat", anchor="cat")
    encode(pipe, PROMPT)
    assert set(calls) == {"before"}
    ours = pipe.encode_prompt

    def after(*args, **kwargs):
        calls.append("after")
        return ours(*args, **kwargs)

    pipe.encode_prompt = after
    handle.remove()
    calls.clear()
    encode(pipe, PROMPT)
    assert calls == ["after", "before"]


def test_a_method_that_calls_itself_is_adjusted_once(pipe, monkeypatch):
    kind = type(pipe)
    own = kind.encode_prompt
    with uc.apply(pipe, "sks cat", anchor="cat"):
        expected = encode(pipe, PROMPT)[0]

    def outer(self, prompt, device, images, guidance, negative=None, inner=False):
        if inner:
            return own(self, prompt, device, images, guidance, negative)
        return self.encode_prompt(prompt, device, images, guidance, negative, True)

    monkeypatch.setattr(kind, "encode_prompt", outer)
    with uc.apply(pipe, "sks cat", anchor="cat"):
        assert torch.equal(encode(pipe, PROMPT)[0], expected)


def test_what_is_not_understood_is_refused_before_anything_changes(pipe):
    before = state_of(pipe)
    cat = uc.Concept("sks", "cat")
    cases = [
        (("sks cat",), {}, AnchorError, "nothing to move toward"),
        (("sks cat",), {"anchor": "cat", "alpha": 3}, AdjustmentError, "alpha=3"),
        ((uc.Concept("sks cat", "cat"),), {"alpha": 0.3}, AdjustmentError, "alpha given beside a Concept"),
        (([],), {}, AdjustmentError, "neither a placeholder nor Concepts"),
        ((["sks cat"],), {}, AdjustmentError, "neither a placeholder nor Concepts"),
        (([cat, uc.Concept("SKS", "dog")],), {}, PlaceholderError, "two concepts"),
        (([cat, uc.Concept("qrx", "sks dog")],), {}, AnchorError, "holds the placeholder 'sks'"),
        (
            ([cat, uc.Concept("qrx", "dog", anchor_encoder="tuned")],),
            {}, AdjustmentError, "same anchor_encoder",
        ),
    ]  # fmt: skip
    for arguments, settings, error, message in cases:
        with pytest.raises(error, match=message):
            uc.apply(pipe, *arguments, **settings)
    assert_same_state(before, state_of(pipe))


def test_a_setting_that_apply_does_not_know_is_named_by_apply(pipe):
    with pytest.raises(TypeError, match=r"apply\(\).*'alhpa'"):
        uc.apply(pipe, "sks cat", anchor="cat", alhpa=0.3)


@pytest.mark.parametrize(
    "settings",
    [
        {"anchor": "dog"},
        {"beta": None},
        {"norm_blend": 0.5, "beta": None},
        {"level": "prompt"},
        {"anchor_encoder": "base"},
        {"negative_encoder": "tuned"},
        {"adjuster": Weighting()},
    ],
    ids=str,
)
def test_every_setting_is_the_placeholders_alone(pipe, settings):
    with pytest.raises(AdjustmentError, match=f"apply.*{next(iter(settings))} given beside a Concept"):
        uc.apply(pipe, [uc.Concept("sks cat", "cat")], **settings)
    with uc.apply(pipe, "sks cat", **{"anchor": "cat"} | settings) as handle:
        assert handle.concepts == (uc.Concept("sks cat", **{"anchor": "cat"} | settings),)


def test_an_adjuster_is_refused_at_a_level_that_it_is_not_meant_for(pipe):
    add_token(pipe, "<t>", torch.ones(1, 32))
    before = state_of(pipe)
    with pytest.raises(AdjustmentError, match=r"apply.*'<t>' is made of.*token level.*Projection.*'prompt'"):
        uc.apply(pipe, "<t>", anchor="cat", adjuster=Projection())
    with pytest.raises(
        AdjustmentError, match=r"apply.*'sks cat' is not made of.*prompt level.*Rows.*'token'"
    ):
        uc.apply(pipe, "sks cat", anchor="cat", adjuster=Rows())
    assert_same_state(before, state_of(pipe))
    uc.apply(pipe, "<t>", anchor="cat", adjuster=Projection(), level="prompt").remove()
    with uc.apply(pipe, "<t>", anchor="cat", adjuster=Rows()):
        assert not torch.equal(state_of(pipe)["weights"][TABLE], before["weights"][TABLE])
    assert_same_state(before, state_of(pipe))


def test_adjusters_that_cannot_be_mixed_are_refused_where_they_would_have_to_be(pipe):
    concepts = [uc.Concept("sks cat", "cat"), uc.Concept("qrx dog", "dog", adjuster=Projection())]
    before = state_of(pipe)
    with uc.apply(pipe, concepts):
        assert not torch.equal(encode(pipe, "a sks cat")[0], encode(pipe, "a qrx dog")[0])
        with pytest.raises(AdjustmentError, match=r"TEA α 0.2 and Projection cannot share"):
            encode(pipe, "a sks cat near qrx dog")
    assert_same_state(before, state_of(pipe))


def test_an_adjuster_without_strength_is_refused_a_schedule_at_once(pipe):
    before = state_of(pipe)
    with pytest.raises(AdjustmentError, match="Projection has no strength"):
        uc.apply(pipe, "sks cat", anchor="cat", adjuster=Projection(), schedule=lambda progress: 1)
    assert_same_state(before, state_of(pipe))
    uc.apply(pipe, "sks cat", anchor="cat", adjuster=Weighting(), schedule=lambda progress: 1).remove()


def test_pipelines_that_encode_no_text_are_refused(pipe):
    for other in (object(), diffusers.DDPMPipeline(pipe.unet, pipe.scheduler)):
        with pytest.raises(PipelineError, match=r"none of the methods encode_prompt.*uncollapse\.adjust"):
            uc.apply(other, "sks cat", anchor="cat")


def test_text_encoders_of_another_framework_are_refused(pipe):
    pipe.__dict__["text_encoder"] = object()
    with pytest.raises(PipelineError, match="text_encoder of StableDiffusionPipeline is a object"):
        uc.apply(pipe, "sks cat", anchor="cat")


def test_a_combined_pipeline_is_adjusted_in_each_of_its_parts():
    prior = LAYOUTS["vectors, states, mask"]()
    parts = {f"prior_{name}": part for name, part in prior.components.items()}
    combined = build("KandinskyV22CombinedPipeline", movq=NoDenoiser(), **parts)
    plain = encode_any(combined.prior_pipe, PROMPT, "a hat")
    with uc.apply(combined, "sks cat", anchor="cat"):
        adjusted = encode_any(combined.prior_pipe, PROMPT, "a hat")
        with pytest.raises(PipelineError, match="adjusted already"):
            uc.apply(combined.prior_pipe, "sks cat", anchor="cat")
    assert not torch.equal(plain[0], adjusted[0])
    assert torch.equal(plain[2], adjusted[2])
    again = encode_any(combined.prior_pipe, PROMPT, "a hat")
    assert all(torch.equal(one, two) for one, two in zip(plain, again, strict=True))


def test_a_token_learned_by_two_encoders_is_adjusted_in_both():
    pipe = LAYOUTS["P N p n, two CLIPs side by side"]()
    row = 3 * torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    encoders = {"": pipe.text_encoder, "_2": pipe.text_encoder_2}
    for number, encoder in encoders.items():
        tokenizer = getattr(pipe, f"tokenizer{number}")
        pipe.load_textual_inversion({"<t>": row}, token="<t>", tokenizer=tokenizer, text_encoder=encoder)
    before = [encoder.get_input_embeddings().weight.detach().clone() for encoder in encoders.values()]
    with uc.apply(pipe, "<t>", anchor="cat"):
        during = [encoder.get_input_embeddings().weight.detach().clone() for encoder in encoders.values()]
    for one, two, encoder in zip(before, during, encoders.values(), strict=True):
        assert (one != two).any(-1).sum() == 1
        assert torch.equal(encoder.get_input_embeddings().weight, one)


def test_threads_on_pipelines_that_share_an_encoder_do_not_meet(lora_pipe):
    other = diffusers.StableDiffusionPipeline(**{**lora_pipe.components, "requires_safety_checker": False})
    concepts = {lora_pipe: ("sks cat", "cat"), other: ("sks", "big dog")}
    expected, found = {}, {pipe: [] for pipe in concepts}
    for pipe, (placeholder, anchor) in concepts.items():
        with uc.apply(pipe, placeholder, anchor=anchor):
            expected[pipe] = encode(pipe, PROMPT)[0]

    def work(pipe):
        placeholder, anchor = concepts[pipe]
        for number in range(5):
            with uc.apply(pipe, placeholder, anchor=anchor):
                found[pipe].append(encode(pipe, PROMPT, negative_prompt="a " * number)[0])

    threads = [threading.Thread(target=work, args=(pipe,)) for pipe in concepts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(results) for results in found.values()] == [5, 5]
    assert all(torch.equal(one, expected[pipe]) for pipe in concepts for one in found[pipe])
