"""apply() at token level: learned rows rewritten, found by tokenising, and written back bit for bit."""

import pytest
import torch
from accelerate import cpu_offload, disk_offload
from accelerate.hooks import remove_hook_from_submodules

import uncollapse as uc
from toys.pipelines import WIDTH, add_token, encode, generate, make_pipeline
from toys.states import assert_same_state, state_of
from uncollapse.errors import EmbeddingError, PipelineError, PlaceholderError, UncollapseWarning


def rows(count: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def table(pipe) -> torch.Tensor:
    return pipe.text_encoder.get_input_embeddings().weight.detach().clone()


def ids(pipe, *tokens: str) -> list[int]:
    return pipe.tokenizer.convert_tokens_to_ids(list(tokens))


@pytest.mark.parametrize("count", [1, 4])
def test_every_learned_row_moves_and_no_other(pipe, count):
    add_token(pipe, "<my-cat>", rows(count))
    before = table(pipe)
    names = ["<my-cat>", "<my-cat>_1", "<my-cat>_2", "<my-cat>_3"][:count]
    with uc.apply(pipe, "<my-cat>", anchor="cat", alpha=0.3, beta=1.2):
        during = table(pipe)
    c = before[pipe.tokenizer("cat").input_ids[1]]
    torch.testing.assert_close(during[ids(pipe, *names)], uc.adjust(rows(count), c, alpha=0.3, beta=1.2))
    changed = (before != during).any(-1).nonzero().flatten().tolist()
    assert changed == ids(pipe, *names)


def test_removal_restores_the_bits_and_the_pipeline(pipe):
    add_token(pipe, "<my-cat>", rows(2))
    image = generate(pipe, "a photo of <my-cat>")
    before = state_of(pipe)
    handle = uc.apply(pipe, "<my-cat>", anchor="small cat")
    assert not torch.equal(generate(pipe, "a photo of <my-cat>"), image)
    handle.remove()
    handle.remove()
    assert_same_state(before, state_of(pipe))
    assert torch.equal(generate(pipe, "a photo of <my-cat>"), image)


def test_alpha_0_without_rescale_changes_no_bit(pipe):
    add_token(pipe, "<my-cat>", rows(2))
    before = table(pipe)
    with uc.apply(pipe, "<my-cat>", anchor="cat", alpha=0, beta=None):
        assert torch.equal(table(pipe), before)


def test_alpha_1_beta_1_is_the_anchor_word(pipe):
    add_token(pipe, "<my-cat>", rows(1))
    with uc.apply(pipe, "<my-cat>", anchor="dog", alpha=1, beta=1):
        adjusted = encode(pipe, "a photo of <my-cat> in snow", "<my-cat>")
    expected = encode(pipe, "a photo of dog in snow", "dog")
    torch.testing.assert_close(adjusted, expected, atol=1e-4, rtol=0)


def test_auto_takes_the_level_the_placeholder_asks_for(pipe):
    add_token(pipe, "<new1>", rows(1))
    before = table(pipe)
    for placeholder, changes in (
        ("<new1>", True),
        ("<NEW1>", True),
        ("<new1> cat", False),
        ("sks cat", False),
    ):
        with uc.apply(pipe, placeholder, anchor="cat"):
            assert torch.equal(table(pipe), before) != changes
    with uc.apply(pipe, "<new1> cat", anchor="cat", level="token"):
        assert (table(pipe) != before).any(-1).nonzero().flatten().tolist() == ids(pipe, "<new1>")


def test_both_levels_in_one_handle(pipe):
    add_token(pipe, "<my-cat>", rows(1))
    prompt = "<my-cat> near sks dog"
    before = state_of(pipe)
    with uc.apply(pipe, [uc.Concept("<my-cat>", "cat"), uc.Concept("sks dog", "dog", alpha=1, beta=1)]):
        both = encode(pipe, prompt)[0]
    with uc.apply(pipe, "<my-cat>", anchor="cat"):
        twin = encode(pipe, "<my-cat> near dog")[0]
    torch.testing.assert_close(both[0, 4], twin[0, 3], atol=1e-5, rtol=0)
    assert_same_state(before, state_of(pipe))


def test_unknown_placeholders_and_bad_rows_are_refused(pipe):
    with pytest.raises(PlaceholderError, match="no learned token"):
        uc.apply(pipe, "<unknown>", anchor="cat", level="token")
    add_token(pipe, "<dead>", torch.stack([rows(1)[0], torch.zeros(WIDTH)]))
    with pytest.raises(EmbeddingError, match="'<dead>_1' is zero"):
        uc.apply(pipe, "<dead>", anchor="cat")
    add_token(pipe, "<nan>", torch.full((1, WIDTH), torch.nan))
    with pytest.raises(EmbeddingError, match="'<nan>' is not finite"):
        uc.apply(pipe, "<nan>", anchor="cat")


def test_a_refusal_half_way_undoes_the_first_half(pipe):
    add_token(pipe, "<good>", rows(1))
    add_token(pipe, "<dead>", torch.zeros(1, WIDTH))
    before = state_of(pipe)
    with pytest.raises(EmbeddingError, match="<dead>"):
        uc.apply(pipe, [uc.Concept("<good>", "cat"), uc.Concept("<dead>", "cat")])
    assert_same_state(before, state_of(pipe))
    uc.apply(pipe, "<good>", anchor="cat").remove()


def test_tables_that_cannot_be_written_are_refused(pipe):
    add_token(pipe, "<my-cat>", rows(1))
    own = pipe.text_encoder.get_input_embeddings()
    pipe.text_encoder.set_input_embeddings(torch.nn.Sequential(own))
    with pytest.raises(PipelineError, match='level="prompt" works'):
        uc.apply(pipe, "<my-cat>", anchor="cat")
    quantised = torch.nn.Embedding(*own.weight.shape, _weight=own.weight.to(torch.int8), _freeze=True)
    pipe.text_encoder.set_input_embeddings(quantised)
    with pytest.raises(PipelineError, match="quantised"):
        uc.apply(pipe, "<my-cat>", anchor="cat")


def test_an_encoder_in_half_precision_gets_rows_rounded_once(pipe):
    add_token(pipe, "<my-cat>", rows(1))
    pipe.text_encoder.to(torch.bfloat16)
    before = table(pipe)
    with uc.apply(pipe, "<my-cat>", anchor="cat", alpha=0.3):
        row = table(pipe)[ids(pipe, "<my-cat>")][0]
    exact = uc.adjust(
        before[ids(pipe, "<my-cat>")][0].double(),
        before[pipe.tokenizer("cat").input_ids[1]].double(),
        alpha=0.3,
    )
    torch.testing.assert_close(row, exact.to(torch.bfloat16), rtol=2**-8, atol=1e-6)
    assert torch.equal(table(pipe), before)


def test_a_token_unloaded_meanwhile_is_not_written_back_elsewhere(pipe):
    add_token(pipe, "<one>", rows(1))
    add_token(pipe, "<two>", rows(1, seed=1))
    handle = uc.apply(pipe, [uc.Concept("<one>", "cat"), uc.Concept("<two>", "dog")])
    pipe.unload_textual_inversion("<one>")
    before = table(pipe)
    handle.remove()
    after = table(pipe)
    moved = (before != after).any(-1).nonzero().flatten().tolist()
    assert set(moved) <= set(ids(pipe, "<two>"))


def test_a_prompt_without_the_token_says_so(pipe):
    add_token(pipe, "<my-cat>", rows(1))
    with uc.apply(pipe, "<my-cat>", anchor="cat"), pytest.warns(UncollapseWarning, match="does not mention"):
        encode(pipe, "a photo of a cat")


@pytest.mark.parametrize("placeholder", ["<My-Cat>", "<R>", "<MY>"])
def test_capitals_in_a_placeholder_are_no_hindrance(placeholder):
    """CLIP's tokenizer takes "<My-Cat>" for one learned token and spells it in small letters."""
    pipe = make_pipeline()
    pipe.tokenizer.add_tokens(placeholder)
    pipe.text_encoder.resize_token_embeddings(len(pipe.tokenizer))
    table = pipe.text_encoder.get_input_embeddings().weight
    row = pipe.tokenizer.convert_tokens_to_ids(placeholder)
    learned = table[row].detach().clone()
    with uc.apply(pipe, placeholder, anchor="dog", alpha=1, beta=1):
        [dog] = pipe.tokenizer("dog", add_special_tokens=False).input_ids
        torch.testing.assert_close(table[row], table[dog])
    assert torch.equal(table[row], learned)


def test_another_embedding_loaded_under_its_name_stays(pipe):
    add_token(pipe, "<one>", rows(1))
    add_token(pipe, "<two>", rows(1, seed=1))
    handle = uc.apply(pipe, [uc.Concept("<one>", "cat"), uc.Concept("<two>", "dog")])
    pipe.unload_textual_inversion("<two>")
    add_token(pipe, "<two>", rows(1, seed=2))
    with pytest.warns(UncollapseWarning, match=r"remove\(\): the row of '<two>' is no longer what"):
        handle.remove()
    assert torch.equal(table(pipe)[ids(pipe, "<two>")], rows(1, seed=2))
    assert torch.equal(table(pipe)[ids(pipe, "<one>")], rows(1))


def test_a_row_that_moved_up_is_restored_where_it_stands(pipe):
    add_token(pipe, "<one>", rows(1))
    add_token(pipe, "<two>", rows(2, seed=1))
    before = ids(pipe, "<two>")
    handle = uc.apply(pipe, "<two>", anchor="dog")
    pipe.unload_textual_inversion("<one>")
    assert ids(pipe, "<two>") != before
    handle.remove()
    assert torch.equal(table(pipe)[ids(pipe, "<two>", "<two>_1")], rows(2, seed=1))


def test_a_row_of_another_token_that_took_its_place_is_left_alone(pipe):
    add_token(pipe, "<one>", rows(1))
    handle = uc.apply(pipe, "<one>", anchor="dog")
    pipe.unload_textual_inversion("<one>")
    add_token(pipe, "<two>", rows(1, seed=1))
    before = table(pipe)
    handle.remove()
    assert torch.equal(table(pipe), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("back", [True, False])
def test_a_precision_changed_meanwhile_hides_no_row(pipe, dtype, back):
    add_token(pipe, "<my-cat>", rows(1))
    handle = uc.apply(pipe, "<my-cat>", anchor="cat")
    pipe.text_encoder.to(dtype)
    if back:
        pipe.text_encoder.to(torch.float32)
    handle.remove()
    learned = rows(1) if back else rows(1).to(dtype)
    assert torch.equal(table(pipe)[ids(pipe, "<my-cat>")], learned)


def test_rows_out_of_reach_are_said_so_and_restored_when_asked_again(pipe):
    add_token(pipe, "<my-cat>", rows(1))
    before = state_of(pipe)
    handle = uc.apply(pipe, "<my-cat>", anchor="cat")
    own = pipe.text_encoder.get_input_embeddings()
    pipe.text_encoder.set_input_embeddings(torch.nn.Sequential(own))
    with pytest.raises(PipelineError, match=r"remove\(\): .*wrapped by an adapter.*remove\(\) again"):
        handle.remove()
    pipe.text_encoder.set_input_embeddings(own)
    with pytest.raises(PipelineError, match="adjusted already"):
        uc.apply(pipe, "<my-cat>", anchor="cat")
    handle.remove()
    assert_same_state(before, state_of(pipe))
    uc.apply(pipe, "<my-cat>", anchor="cat").remove()


@pytest.mark.parametrize("when", ["before", "after"])
def test_rows_are_adjusted_and_restored_whatever_is_offloaded_when(pipe, when):
    """accelerate's hooks, as ``enable_sequential_cpu_offload`` sets them: weights leave between calls."""
    add_token(pipe, "<my-cat>", rows(1))
    plain = encode(pipe, "a photo of <my-cat>")[0]
    with uc.apply(pipe, "<my-cat>", anchor="dog"):
        adjusted = encode(pipe, "a photo of <my-cat>")[0]
    if when == "after":
        handle = uc.apply(pipe, "<my-cat>", anchor="dog")
    cpu_offload(pipe.text_encoder, torch.device("cpu"))
    if when == "before":
        handle = uc.apply(pipe, "<my-cat>", anchor="dog")
    assert pipe.text_encoder.get_input_embeddings().weight.device.type == "meta"
    assert torch.equal(encode(pipe, "a photo of <my-cat>")[0], adjusted)
    handle.remove()
    assert torch.equal(encode(pipe, "a photo of <my-cat>")[0], plain)
    remove_hook_from_submodules(pipe.text_encoder)
    assert torch.equal(table(pipe)[ids(pipe, "<my-cat>")], rows(1))


def test_rows_on_a_disk_are_out_of_reach(pipe, tmp_path):
    add_token(pipe, "<my-cat>", rows(1))
    disk_offload(pipe.text_encoder, tmp_path, torch.device("cpu"))
    with pytest.raises(PipelineError, match=r"is offloaded.*level=.prompt. works"):
        uc.apply(pipe, "<my-cat>", anchor="dog")


@pytest.mark.parametrize("placeholder", ["<my-cat>", "<my-cat> cat", "<known> <my-cat>"])
def test_a_name_in_angle_brackets_that_was_not_learned_is_refused(pipe, placeholder):
    add_token(pipe, "<known>", rows(1))
    before = state_of(pipe)
    with pytest.raises(
        PlaceholderError, match=r"apply\(\): '<my-cat>' is no learned token.*load_textual_inv"
    ):
        uc.apply(pipe, placeholder, anchor="dog")
    assert_same_state(before, state_of(pipe))
    uc.apply(pipe, placeholder, anchor="dog", level="prompt").remove()
    add_token(pipe, "<my-cat>", rows(1))
    uc.apply(pipe, placeholder, anchor="dog").remove()
