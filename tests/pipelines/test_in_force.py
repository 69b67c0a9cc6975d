"""What is in force: nothing is moved twice, a lost handle is no trap, and copies are nobody's."""

import copy
import gc
import io
import pickle
import weakref

import diffusers
import pytest
import torch

import uncollapse as uc
from toys.layouts import LAYOUTS, NoDenoiser, build
from toys.pipelines import WIDTH, add_token, encode, make_pipeline
from toys.states import assert_same_state, state_of
from uncollapse.errors import PipelineError

PROMPT = "a photo of sks cat in the snow"
LEVELS = {"<t>": "a photo of <t> in the snow", "sks cat": PROMPT}


@pytest.fixture
def taught(pipe):
    add_token(pipe, "<t>", torch.ones(1, WIDTH))
    return pipe


def sharing(pipe):
    return diffusers.StableDiffusionPipeline(**{**pipe.components, "requires_safety_checker": False})


@pytest.mark.parametrize(("first", "second"), [("token", "prompt"), ("prompt", "token")])
def test_a_shared_encoder_is_not_adjusted_at_both_levels(taught, first, second):
    other = sharing(taught)
    with uc.apply(taught, "<t>", anchor="cat", level=first):
        before = state_of(other)
        with pytest.raises(PipelineError, match=r"CLIPTextModel.*twice.*uncollapse\.remove\(pipe\)"):
            uc.apply(other, "<t>", anchor="cat", level=second)
        assert_same_state(before, state_of(other))
    uc.apply(other, "<t>", anchor="cat", level=second).remove()


def test_a_shared_encoder_is_adjusted_at_prompt_level_by_both(taught):
    with (
        uc.apply(taught, "sks cat", anchor="cat"),
        uc.apply(sharing(taught), "<t>", anchor="cat", level="prompt"),
    ):
        pass
    uc.apply(taught, "<t>", anchor="cat").remove()


@pytest.mark.parametrize("placeholder", LEVELS)
def test_an_adjustment_whose_handle_was_lost_is_removed(taught, placeholder):
    before = state_of(taught)
    uc.apply(taught, placeholder, anchor="cat")
    gc.collect()
    with pytest.raises(PipelineError, match=r"uncollapse\.remove\(pipe\)"):
        uc.apply(taught, placeholder, anchor="cat")
    uc.remove(taught)
    assert_same_state(before, state_of(taught))
    uc.remove(taught)
    handle = uc.apply(taught, placeholder, anchor="cat")
    uc.remove(taught)
    handle.remove()
    assert_same_state(before, state_of(taught))


def test_rows_are_restored_though_their_pipeline_is_gone(taught):
    other = sharing(taught)
    before = state_of(other)
    uc.apply(sharing(taught), "<t>", anchor="cat")
    gc.collect()
    uc.remove(other)
    assert_same_state(before, state_of(other))


def test_a_combined_pipeline_is_removed_by_itself_and_by_its_part():
    prior = LAYOUTS["vectors, states, mask"]()
    parts = {f"prior_{name}": part for name, part in prior.components.items()}
    combined = build("KandinskyV22CombinedPipeline", movq=NoDenoiser(), **parts)
    kind = type(combined.prior_pipe)
    for pipe in (combined, combined.prior_pipe):
        uc.apply(combined, "sks cat", anchor="cat")
        uc.remove(pipe)
        assert type(combined.prior_pipe) is kind
        uc.apply(combined, "sks cat", anchor="cat").remove()


@pytest.mark.parametrize("placeholder", LEVELS)
def test_a_pipeline_that_is_dropped_while_adjusted_is_freed(placeholder):
    pipe = make_pipeline()
    add_token(pipe, "<t>", torch.ones(1, WIDTH))
    parts = [weakref.ref(pipe), weakref.ref(pipe.text_encoder)]
    handle = uc.apply(pipe, placeholder, anchor="cat")
    encode(pipe, LEVELS[placeholder])
    del pipe
    gc.collect()
    assert [part() for part in parts] == [None, None]
    handle.remove()


def pickled(pipe):
    file = io.BytesIO()
    pickle.dump(pipe, file)
    file.seek(0)
    return pickle.load(file)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("settings", [{}, {"schedule": lambda progress: 1 - progress}], ids=["", "schedule"])
def test_a_copy_made_inside_the_block_is_a_pipeline_of_its_own(pipe, copied, settings):
    kind, plain = type(pipe), encode(pipe, PROMPT)[0]
    with uc.apply(pipe, "sks cat", anchor="cat", **settings):
        adjusted = encode(pipe, PROMPT)[0]
        twin = copied(pipe)
        assert type(twin) is kind
        assert "encode_prompt" not in vars(twin)
        assert torch.equal(encode(twin, PROMPT)[0], plain)
        assert torch.equal(encode(pipe, PROMPT)[0], adjusted)
        twin.text_encoder = make_pipeline(seed=3).text_encoder
        theirs = encode(make_pipeline(seed=3), PROMPT)[0]
        torch.testing.assert_close(encode(twin, PROMPT)[0], theirs)
        with uc.apply(twin, "sks cat", anchor="cat"):
            assert not torch.equal(encode(twin, PROMPT)[0], theirs)
    assert type(pipe) is kind


def test_saving_adjusted_rows_says_so(taught, tmp_path):
    with (
        uc.apply(taught, "<t>", anchor="cat"),
        pytest.warns(uc.UncollapseWarning, match=r"save_pretrained\(\): the rows of '<t>' are adjusted"),
    ):
        taught.save_pretrained(tmp_path)
    assert (tmp_path / "model_index.json").exists()


@pytest.mark.filterwarnings("error::uncollapse.UncollapseWarning")
def test_saving_says_nothing_where_nothing_adjusted_is_saved(taught, tmp_path):
    with uc.apply(taught, "sks cat", anchor="cat"):
        taught.save_pretrained(tmp_path)
    with uc.apply(taught, "<t>", anchor="cat"):
        pass
    taught.save_pretrained(tmp_path)
