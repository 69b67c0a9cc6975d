"""apply() at prompt level, on a real Stable Diffusion pipeline of toy size: what moves, and what must not."""

import inspect

import pytest
import torch

import uncollapse as uc
from toys.pipelines import add_lora, add_token, encode, generate
from toys.states import assert_same_state, state_of
from toys.tokenizers import MAX_LENGTH
from uncollapse.errors import PipelineError, UncollapseWarning
from uncollapse.pipelines.anchor_encoder import base_encoder
from uncollapse.pipelines.encode_step import tensors_in

PROMPT, TWIN = "a photo of sks cat in the snow", "a photo of cat in the snow"
CAT = {"concept": "sks cat", "anchor": "cat"}


def adapters_off(pipe):
    """The frozen encoder by another route than the library's."""
    pipe.text_encoder.disable_adapters()
    return pipe


def words_of(pipe, text):
    """Positions of the words of ``text`` (one token each) in its embedding: after BOS."""
    return {word: i + 1 for i, word in enumerate(text.split())}


def test_alpha_0_without_rescale_is_the_plain_pipeline(lora_pipe):
    plain = encode(lora_pipe, PROMPT, "a dog")
    with uc.apply(lora_pipe, **CAT, alpha=0, beta=None):
        adjusted = encode(lora_pipe, PROMPT, "a dog")
    assert all(torch.equal(one, two) for one, two in zip(plain, adjusted, strict=True))


@pytest.mark.parametrize("anchor_encoder", ["base", "tuned"])
def test_alpha_1_beta_1_with_equal_counts_is_the_anchor_prompt(lora_pipe, anchor_encoder):
    with uc.apply(lora_pipe, "sks cat", anchor="big dog", alpha=1, beta=1, anchor_encoder=anchor_encoder):
        adjusted, negative = encode(lora_pipe, PROMPT)
        image = generate(lora_pipe, PROMPT) if anchor_encoder == "tuned" else None
    own_negative = encode(lora_pipe, PROMPT)[1]
    if anchor_encoder == "tuned":
        torch.testing.assert_close(
            image, generate(lora_pipe, "a photo of big dog in the snow"), atol=1e-4, rtol=0
        )
    else:
        adapters_off(lora_pipe)
    expected = encode(lora_pipe, "a photo of big dog in the snow")[0]
    torch.testing.assert_close(adjusted, expected, atol=1e-5, rtol=0)
    assert torch.equal(negative, own_negative)


def test_every_context_word_moves_toward_itself_though_the_twin_is_shorter(pipe):
    """At alpha 1 the pairing can be read off: each position is the twin's vector of the same word."""
    with uc.apply(pipe, **CAT, alpha=1, beta=1):
        adjusted = encode(pipe, PROMPT)[0][0]
    twin = encode(pipe, TWIN)[0][0]
    in_twin = words_of(pipe, TWIN)
    for word, position in words_of(pipe, PROMPT).items():
        partner = in_twin["cat" if word == "sks" else word]
        torch.testing.assert_close(adjusted[position], twin[partner], atol=1e-5, rtol=0)
    eos = len(PROMPT.split()) + 1
    torch.testing.assert_close(adjusted[eos], twin[eos - 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(adjusted[eos + 1 :], twin[eos + 1 :], atol=1e-5, rtol=0)
    # By position, every word after the placeholder would have met its neighbour.
    assert (adjusted[5:eos] - twin[5:eos]).norm(dim=-1).min() > 0.1


def test_norms_are_beta_times_the_partners(pipe):
    with uc.apply(pipe, **CAT, alpha=0.3, beta=1.5):
        adjusted = encode(pipe, PROMPT)[0][0]
    twin = encode(pipe, TWIN)[0][0]
    torch.testing.assert_close(adjusted[5].norm(), 1.5 * twin[4].norm())
    plain = encode(pipe, PROMPT)[0][0]
    turned = uc.angle(plain[7], adjusted[7]) / uc.angle(plain[7], twin[6])
    assert turned.item() == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("negative", [None, "a dog", "sks cat, a dog"])
@pytest.mark.parametrize("anchor_encoder", ["base", "tuned"])
def test_the_negative_prompt_is_not_touched(lora_pipe, negative, anchor_encoder):
    plain = encode(lora_pipe, PROMPT, negative)
    with uc.apply(lora_pipe, **CAT, anchor_encoder=anchor_encoder):
        adjusted = encode(lora_pipe, PROMPT, negative)
    assert torch.equal(adjusted[1], plain[1])
    assert not torch.equal(adjusted[0], plain[0])


@pytest.mark.parametrize("negative", [None, "a dog", "sks cat, a dog"])
def test_the_base_encodes_the_negative_prompt_where_asked_to(lora_pipe, negative):
    before, plain = state_of(lora_pipe), encode(lora_pipe, PROMPT, negative)
    with uc.apply(lora_pipe, **CAT):
        usual = encode(lora_pipe, PROMPT, negative)
    with uc.apply(lora_pipe, **CAT, negative_encoder="base"):
        adjusted = encode(lora_pipe, PROMPT, negative)
    assert_same_state(before, state_of(lora_pipe))
    base = encode(adapters_off(lora_pipe), PROMPT, negative)
    assert torch.equal(adjusted[0], usual[0])
    assert torch.equal(adjusted[1], base[1])
    assert (base[1] - plain[1]).norm() > 0.1  # the encoder has drifted


def test_the_base_encodes_prompts_without_the_concept_where_asked_to(lora_pipe):
    prompts = ["a cat near a hat", PROMPT]
    with uc.apply(lora_pipe, **CAT, negative_encoder="base"):
        together = encode(lora_pipe, prompts)[0]
        with pytest.warns(uc.UncollapseWarning, match="does not mention"):
            alone = encode(lora_pipe, prompts[0])[0]
    with uc.apply(lora_pipe, **CAT):
        usual = encode(lora_pipe, prompts)[0]
    base = encode(adapters_off(lora_pipe), prompts)[0]
    assert torch.equal(together[0], base[0])
    assert torch.equal(together[1], usual[1])
    torch.testing.assert_close(alone[0], base[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("guidance", [True, False])
def test_only_the_rows_that_mention_the_concept_move(lora_pipe, images, guidance):
    prompts = ["a cat near a hat", PROMPT, "a red car", "the sks cat on a bridge"]
    before = list(prompts)
    plain, plain_negative = encode(lora_pipe, prompts, guidance=guidance, images=images)
    with uc.apply(lora_pipe, **CAT):
        adjusted, negative = encode(lora_pipe, prompts, guidance=guidance, images=images)
        alone = encode(lora_pipe, prompts[3])[0][0]
    moved = [not torch.equal(one, two) for one, two in zip(plain, adjusted, strict=True)]
    assert moved == [mentioned for mentioned in (False, True, False, True) for _ in range(images)]
    torch.testing.assert_close(adjusted[-1], alone, atol=1e-5, rtol=0)
    assert prompts == before
    assert torch.equal(negative, plain_negative) if guidance else negative is plain_negative is None


def test_the_anchor_comes_from_the_base_encoder_unless_asked(lora_pipe):
    tuned_twin = encode(lora_pipe, TWIN)[0]
    with uc.apply(lora_pipe, **CAT, alpha=1, beta=1, anchor_encoder="tuned"):
        tuned = encode(lora_pipe, PROMPT)[0]
    with uc.apply(lora_pipe, **CAT, alpha=1, beta=1):
        base = encode(lora_pipe, PROMPT)[0]
    base_twin = encode(adapters_off(lora_pipe), TWIN)[0]
    assert (base_twin - tuned_twin)[0, 4].norm() > 0.1  # the encoder has drifted
    torch.testing.assert_close(tuned[0, 5], tuned_twin[0, 4], atol=1e-5, rtol=0)
    torch.testing.assert_close(base[0, 5], base_twin[0, 4], atol=1e-5, rtol=0)


@pytest.mark.parametrize("as_encoder", [False, True])
def test_a_fully_tuned_model_borrows_the_encoder_of_its_base(tuned_pipe, base_pipe, as_encoder):
    before = state_of(tuned_pipe)
    base = base_pipe.text_encoder if as_encoder else base_pipe
    plain_negative = encode(tuned_pipe, PROMPT, "a dog")[1]
    with uc.apply(tuned_pipe, **CAT, alpha=1, beta=1, base=base):
        adjusted, negative = encode(tuned_pipe, PROMPT, "a dog")
    torch.testing.assert_close(adjusted[0, 5], encode(base_pipe, TWIN)[0][0, 4], atol=1e-5, rtol=0)
    assert torch.equal(negative, plain_negative)
    assert_same_state(before, state_of(tuned_pipe))


def test_a_base_that_cannot_lend_its_encoder_is_refused(pipe):
    with pytest.raises(PipelineError, match="same class"):
        uc.apply(pipe, **CAT, base=object())
    with pytest.raises(PipelineError, match="is on meta"):
        uc.apply(pipe, **CAT, base=pipe.text_encoder.__class__(pipe.text_encoder.config).to("meta"))


@pytest.mark.parametrize("state", ["on", "off", "two active", "merged", "trainable"])
def test_adapters_are_given_back_as_they_were(lora_pipe, state):
    encoder = lora_pipe.text_encoder
    if state == "off":
        encoder.disable_adapters()
    if state == "two active":
        add_lora(lora_pipe, seed=3, name="second")
        encoder.set_adapter(["second", "default"])
        encoder.requires_grad_(False)
    if state == "merged":
        lora_pipe.fuse_lora(components=["text_encoder"])
    if state == "trainable":
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_("lora_A" in name)
    before, plain = state_of(lora_pipe), encode(lora_pipe, PROMPT)[0]
    with uc.apply(lora_pipe, **CAT, alpha=1, beta=1):
        adjusted = encode(lora_pipe, PROMPT)[0]
    assert_same_state(before, state_of(lora_pipe))
    assert torch.equal(encode(lora_pipe, PROMPT)[0], plain)
    twin = encode(adapters_off(lora_pipe), TWIN)[0]
    torch.testing.assert_close(adjusted[0, 5], twin[0, 4], atol=1e-4, rtol=0)


@pytest.mark.parametrize("anchor_encoder", ["base", "tuned"])
def test_lora_scale_reaches_both_calls_and_leaves_no_trace(lora_pipe, anchor_encoder):
    encode(lora_pipe, PROMPT, lora_scale=0.5)
    before = state_of(lora_pipe)
    with uc.apply(lora_pipe, **CAT, alpha=1, beta=1, anchor_encoder=anchor_encoder):
        adjusted = encode(lora_pipe, PROMPT, lora_scale=0.5)[0]
    assert_same_state(before, state_of(lora_pipe))
    if anchor_encoder == "base":
        adapters_off(lora_pipe)
    twin = encode(lora_pipe, TWIN, lora_scale=0.5)[0]
    torch.testing.assert_close(adjusted[0, 5], twin[0, 4], atol=1e-5, rtol=0)


def test_a_failure_inside_leaves_everything_as_it_was(lora_pipe):
    before = state_of(lora_pipe)
    with pytest.raises(ZeroDivisionError), uc.apply(lora_pipe, **CAT):
        _ = 1 / 0
    assert_same_state(before, state_of(lora_pipe))

    def failing(*args, **kwargs):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"), base_encoder(lora_pipe):
        failing()
    with uc.apply(lora_pipe, **CAT):
        lora_pipe.text_encoder.forward = failing
        with pytest.raises(RuntimeError, match="out of memory"):
            encode(lora_pipe, PROMPT)
        del lora_pipe.text_encoder.forward
        after_failure = encode(lora_pipe, PROMPT)[0]
    with uc.apply(lora_pipe, **CAT):
        assert torch.equal(encode(lora_pipe, PROMPT)[0], after_failure)
    assert_same_state(before, state_of(lora_pipe))


def test_a_whole_generation_is_moved_and_then_is_as_before(lora_pipe):
    plain = generate(lora_pipe, PROMPT, negative_prompt="a dog", num_images_per_prompt=2)
    with uc.apply(lora_pipe, **CAT, alpha=0.5):
        adjusted = generate(lora_pipe, PROMPT, negative_prompt="a dog", num_images_per_prompt=2)
    again = generate(lora_pipe, PROMPT, negative_prompt="a dog", num_images_per_prompt=2)
    assert torch.equal(plain, again)
    assert (plain - adjusted).abs().max() > 1e-3
    with uc.apply(lora_pipe, **CAT, alpha=0, beta=None):
        assert torch.equal(
            generate(lora_pipe, PROMPT, negative_prompt="a dog", num_images_per_prompt=2), plain
        )


def test_multi_vector_tokens_are_paired_as_the_encoder_sees_them(pipe):
    add_token(pipe, "<t>", torch.randn(3, 32, generator=torch.Generator().manual_seed(5)))
    with uc.apply(pipe, "<t>", anchor="small dog", level="prompt", alpha=1, beta=1):
        adjusted = encode(pipe, "a photo of <t>, snow")[0][0]
    twin = encode(pipe, "a photo of small dog, snow")[0][0]
    partners = [0, 1, 2, 3, 4, 5, 5, 6, 7, 8]  # BOS a photo of small dog dog , snow EOS
    torch.testing.assert_close(adjusted[:10], twin[partners], atol=1e-5, rtol=0)


def test_by_role_the_concepts_tokens_its_context_and_the_rest_go_their_own_way(pipe):
    def share(place):
        return uc.angle(plain[place], adjusted[place]) / uc.angle(plain[place], twin[place])

    plain, twin = encode(pipe, PROMPT)[0][0], encode(pipe, "a photo of big dog in the snow")[0][0]
    with uc.apply(pipe, "sks cat", anchor="big dog", alpha=uc.ByRole(0, 0.4, 0.8), beta=None):
        adjusted = encode(pipe, PROMPT)[0][0]
    torch.testing.assert_close(adjusted[:4], plain[:4])  # BOS a photo of: the twin's are the same
    assert torch.equal(adjusted[4:6], plain[4:6])  # sks cat
    assert [round(share(i).item(), 2) for i in (6, 7, 8)] == [0.4] * 3  # in the snow
    assert {round(share(i).item(), 2) for i in range(9, len(plain))} == {0.8}  # EOS and padding


def test_learned_rows_know_no_roles(pipe):
    add_token(pipe, "<t>", torch.ones(1, 32))
    with pytest.raises(uc.AdjustmentError, match="TEA α 0/1/1 is not meant for"):
        uc.apply(pipe, "<t>", anchor="dog", alpha=uc.ByRole(0, 1, 1))
    with uc.apply(pipe, "<t>", anchor="dog", alpha=uc.ByRole(0, 1, 1), level="prompt"):
        pass


def test_several_concepts_follow_their_own_settings_and_the_context_their_mean(pipe):
    prompt = "sks cat and qrx dog in snow"
    cat = uc.Concept("sks cat", "cat", alpha=0.0, beta=None)
    dog = uc.Concept("qrx dog", "big dog", alpha=0.4, beta=None)
    length = len(pipe.tokenizer("qrx").input_ids) - 2
    plain = encode(pipe, prompt)[0][0]
    with uc.apply(pipe, [cat, dog]):
        adjusted = encode(pipe, prompt)[0][0]
    twin = encode(pipe, "cat and big dog in snow")[0][0]
    assert torch.equal(adjusted[1:3], plain[1:3])  # sks cat: alpha 0
    place = 4 + length  # dog, after BOS sks cat and q r x
    assert (
        uc.angle(plain[place], adjusted[place]) / uc.angle(plain[place], twin[4])
    ).item() == pytest.approx(0.4, abs=0.01)
    share = uc.angle(plain[place + 2], adjusted[place + 2]) / uc.angle(plain[place + 2], twin[6])
    assert share.item() == pytest.approx(0.2, abs=0.01)
    torch.testing.assert_close(uc.norm(adjusted), uc.norm(plain))


def test_one_of_several_concepts_in_a_prompt_rules_alone(pipe):
    others = [uc.Concept("qrx dog", "dog", alpha=0.9, beta=5.0)]
    with uc.apply(pipe, [uc.Concept("sks cat", "cat"), *others]):
        both = encode(pipe, PROMPT)[0]
    with uc.apply(pipe, **CAT):
        assert torch.equal(encode(pipe, PROMPT)[0], both)


def test_a_prompt_without_the_placeholder_is_unadjusted_and_says_so(pipe):
    plain = encode(pipe, "a photo of sks cats")
    with uc.apply(pipe, **CAT), pytest.warns(UncollapseWarning, match="does not mention 'sks cat'"):
        unadjusted = encode(pipe, "a photo of sks cats")
    assert torch.equal(plain[0], unadjusted[0])


def test_ready_made_embeddings_are_unadjusted_and_say_so(pipe):
    embeds, negative = encode(pipe, PROMPT)
    with (
        uc.apply(pipe, **CAT),
        pytest.warns(UncollapseWarning, match=r"embeddings were passed.*uncollapse.adjust"),
    ):
        image = generate(pipe, None, prompt_embeds=embeds, negative_prompt_embeds=negative)
    assert torch.equal(image, generate(pipe, PROMPT))


def test_a_placeholder_beyond_the_window_says_so(pipe):
    prompt = "a " * MAX_LENGTH + "sks cat"
    plain = encode(pipe, prompt)[0]
    with uc.apply(pipe, **CAT), pytest.warns(UncollapseWarning, match="cut off"):
        unadjusted = encode(pipe, prompt)[0]
    assert torch.equal(plain, unadjusted)


def test_words_cut_off_in_the_twin_are_left_alone(pipe):
    prompt = "sks " + "snow " * (MAX_LENGTH - 3)
    plain = encode(pipe, prompt)[0][0]
    with uc.apply(pipe, "sks", anchor="a big red cat"):
        adjusted = encode(pipe, prompt)[0][0]
    same = [torch.equal(one, two) for one, two in zip(plain, adjusted, strict=True)]
    assert same == [False] * (MAX_LENGTH - 4) + [True] * 3 + [False]


def test_a_doubled_noun_is_noticed(pipe):
    with (
        uc.apply(pipe, "sks", anchor="cat"),
        pytest.warns(UncollapseWarning, match="'sks cat', make that the"),
    ):
        encode(pipe, PROMPT)


def test_the_method_looks_the_same_from_outside(pipe):
    signature = inspect.signature(pipe.encode_prompt)
    with uc.apply(pipe, **CAT):
        assert inspect.signature(pipe.encode_prompt) == signature
        by_name = pipe.encode_prompt(
            prompt=PROMPT, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        assert torch.equal(by_name[0], encode(pipe, PROMPT, guidance=False)[0])


def test_gradients_reach_the_text_encoder(pipe):
    with uc.apply(pipe, **CAT):
        embeds, _ = pipe.encode_prompt(PROMPT, torch.device("cpu"), 1, False)
        embeds.square().mean().backward()
    gradients = [parameter.grad for parameter in pipe.text_encoder.parameters() if parameter.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(
    "layout",
    [
        lambda embeds, negative: torch.cat([negative, embeds, embeds]),
        lambda embeds, negative: {"pooled": embeds.mean(1), "negative": negative},
        lambda embeds, negative: [embeds[:, 3:].transpose(0, 1), negative],
        lambda embeds, negative: (negative, [row[4:9] for row in embeds]),
        lambda embeds, negative: torch.stack([embeds, embeds * 2], dim=1),
    ],
)
@pytest.mark.parametrize("template", ["{}", "a cat near {}, on the beach"])
def test_layouts_that_nobody_foresaw_are_followed_by_the_pipelines_own_hand(
    pipe, monkeypatch, layout, template
):
    """Whatever becomes of the vectors: the oracle does it to what plain Stable Diffusion's became."""
    prompt = template.format(PROMPT)
    with uc.apply(pipe, **CAT, alpha=1, beta=1):
        expected = layout(*encode(pipe, prompt, "a hat"))
    kind = type(pipe)
    own = kind.encode_prompt

    def other(self, prompt, *args, **kwargs):
        return layout(*own(self, template.format(prompt), *args, **kwargs))

    monkeypatch.setattr(kind, "encode_prompt", other)
    with uc.apply(pipe, **CAT, alpha=1, beta=1):
        adjusted = encode(pipe, PROMPT, "a hat")
    for one, two in zip(tensors_in(expected), tensors_in(adjusted), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_masks_ids_and_other_values_pass_through(pipe, monkeypatch):
    kind = type(pipe)
    own = kind.encode_prompt

    def rich(self, prompt, *args, **kwargs):
        embeds, negative = own(self, prompt, *args, **kwargs)
        return {
            "embeds": [embeds],
            "ids": torch.tensor([len(prompt)]),
            "negative": negative,
            "length": len(prompt),
        }

    monkeypatch.setattr(kind, "encode_prompt", rich)
    plain = encode(pipe, PROMPT)
    with uc.apply(pipe, **CAT):
        adjusted = encode(pipe, PROMPT)
    assert torch.equal(plain["ids"], adjusted["ids"])
    assert plain["length"] == adjusted["length"]
    assert torch.equal(plain["negative"], adjusted["negative"])
    assert not torch.equal(plain["embeds"][0], adjusted["embeds"][0])


def test_a_method_that_writes_into_its_lists_gets_a_fresh_one_each_time(pipe, monkeypatch):
    kind = type(pipe)
    own = kind.encode_prompt
    given = []

    def writing(self, prompt, device, images, guidance, negative):
        given.append((list(prompt), list(negative)))
        prompt[0], negative[0] = prompt[0] + " ", "overwritten"
        return own(self, prompt, device, images, guidance, negative)

    monkeypatch.setattr(kind, "encode_prompt", writing)
    with uc.apply(pipe, **CAT):
        encode(pipe, [PROMPT], ["a dog"])
    assert given.count(([TWIN], ["a dog"])) == 1
    assert all(lists == ([PROMPT], ["a dog"]) for lists in given if lists != ([TWIN], ["a dog"]))


@pytest.fixture
def unseen_pipe(lora_pipe, monkeypatch):
    """A pipeline that goes past its encoder's ``__call__``, and pads to the longest of its prompts."""

    def encode_prompt(self, prompt, device, images, guidance, negative_prompt=None):
        def run(texts):
            ids = self.tokenizer(texts, padding=True, return_tensors="pt").input_ids
            encoder = self.text_encoder
            return type(encoder).forward(encoder, ids).last_hidden_state

        prompts = [prompt] if isinstance(prompt, str) else prompt
        embeds = run(prompts)
        return embeds, run([negative_prompt or ""]), torch.ones(embeds.shape[:2])

    monkeypatch.setattr(type(lora_pipe), "encode_prompt", encode_prompt)
    return lora_pipe


@pytest.mark.parametrize("anchor", ["cat", "big dog", "a small red cat"])
@pytest.mark.parametrize("anchor_encoder", ["base", "tuned"])
def test_where_no_ids_can_be_seen_vectors_are_paired_by_resemblance(unseen_pipe, anchor, anchor_encoder):
    prompts = ["a red car near a bridge on a beach in snow", PROMPT]
    settings = {"anchor": anchor, "anchor_encoder": anchor_encoder}
    plain = encode(unseen_pipe, prompts, "a hat")
    said = "paired by what their vectors look like"
    with (
        uc.apply(unseen_pipe, "sks cat", **settings, alpha=0, beta=None),
        pytest.warns(UncollapseWarning, match=said),
    ):
        assert all(
            torch.equal(*pair) for pair in zip(encode(unseen_pipe, prompts, "a hat"), plain, strict=True)
        )
    with (
        uc.apply(unseen_pipe, "sks cat", **settings, alpha=1, beta=1),
        pytest.warns(UncollapseWarning, match=said),
    ):
        adjusted = encode(unseen_pipe, prompts, "a hat")
    if anchor_encoder == "base":
        adapters_off(unseen_pipe)
    text = PROMPT.replace("sks cat", anchor)
    twin = encode(unseen_pipe, [prompts[0], text])[0][1]
    assert torch.equal(adjusted[0][0], plain[0][0])
    assert torch.equal(adjusted[1], plain[1])
    assert torch.equal(adjusted[2], plain[2])
    in_twin, ours = words_of(unseen_pipe, text), words_of(unseen_pipe, PROMPT)
    for word in ("a", "photo", "of", "in", "the", "snow"):
        if text.split().count(word) == 1:
            torch.testing.assert_close(adjusted[0][1][ours[word]], twin[in_twin[word]], atol=1e-5, rtol=0)
