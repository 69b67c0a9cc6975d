"""Inside ComfyUI itself: the miniature's pictures, prompts as it means them, the nodes as it has them."""

import asyncio
import types

import pytest
import torch

import uncollapse as uc
from toys import comfyui_tree as tree
from uncollapse.comfyui import comfy_entrypoint
from uncollapse.comfyui.encoding import base_of, encoded
from uncollapse.comfyui.finished import finished
from uncollapse.comfyui.miniature import load
from uncollapse.miniature import MINIATURES

pytestmark = [*tree.needs_comfyui, pytest.mark.filterwarnings("ignore")]

DOG = uc.Concept("sks dog", "dog", uc.ByRole(0, 1, 1), 1.0)
TEXT = "a photo of sks dog in the snow"


@pytest.fixture(scope="module")
def clip():
    return tree.comfy_clip("sd1", {"clip_l": tree.clip_model("clip_l")})


@pytest.fixture(scope="module")
def nodes():
    tree.import_comfy()

    async def entrypoint():
        return await (await comfy_entrypoint()).get_node_list()

    found = {node.GET_SCHEMA().node_id: node for node in asyncio.run(entrypoint())}
    for node in found.values():
        node.hidden = types.SimpleNamespace(unique_id=None)
    return found


def encode(clip, text):
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))


def test_the_miniature_draws_what_it_draws_in_diffusers():
    """With and without the adjustment; the same noise, ComfyUI's sampler."""
    tree.import_comfy()
    import comfy.sample

    model, clip, vae = load("dog", 1.0, 1.0)
    miniature = MINIATURES["unet"]
    pipe = miniature.pipeline()
    pipe.load_lora_weights(str(miniature.concepts["dog"].lora))

    def ours(positive):
        latents = comfy.sample.fix_empty_latent_channels(model, torch.zeros(1, 4, 16, 16))
        noise = comfy.sample.prepare_noise(latents, 7)
        settings = (20, 4.0, "ddim", "sgm_uniform", positive, encode(clip, ""), latents)
        return vae.decode(comfy.sample.sample(model, noise, *settings, seed=7))

    def theirs():
        latents = torch.randn([1, 12, 16, 16], generator=torch.manual_seed(7))
        settings = dict(num_inference_steps=20, guidance_scale=4.0, latents=latents, output_type="np")
        return torch.tensor(pipe(TEXT, **settings).images)

    plain = ours(encode(clip, TEXT)), theirs()
    with uc.apply(pipe, DOG):
        adjusted = ours(encoded(clip, base_of(clip), TEXT, [DOG]).adjusted([DOG])), theirs()
    for what, (one, other) in {"plain": plain, "α 0/1/1, β 1": adjusted}.items():
        difference = 255 * (one - other).abs().max().item()
        print(f"the miniature's picture, {what:14} {difference:.2f} of 255")
        assert difference < 2
    assert (plain[0] - adjusted[0]).abs().mean() > 0.05


@pytest.mark.parametrize(
    "text",
    [
        "a (sks dog:1.3) in the (snow:0.7)",
        "'sks dog' with (a red (hat)), 100%",
        "sks dog, " + "in the snow and on the beach " * 14 + "with sks dog",
        "(a photo of sks dog",
        "sks dog's hat \\(red\\)",
        "一只sks dog在雪中",
    ],
)
def test_whatever_the_text_each_word_goes_with_itself(clip, text):
    """Judged by the tokens: a word's partner is the same token, a phrase's none of those."""
    from uncollapse.comfyui.encoders import text_encoders
    from uncollapse.comfyui.encoding import tokeniser_of
    from uncollapse.comfyui.words import Spelling, pair
    from uncollapse.placeholders import substitute

    found = substitute(text, [("sks dog", "dog")])
    spelling = Spelling(tokeniser_of(clip), "l", text_encoders(clip)["clip_l"])
    pairing = pair(spelling, spelling, found)
    ours, theirs = spelling.tokens(found.text), spelling.tokens(found.new_text)
    phrase = [i for i, owners in enumerate(pairing.roles) if owners == uc.adjusters.Role.CONCEPT]
    others = [i for i in range(len(ours)) if i not in phrase and pairing.partners[i] >= 0]
    assert all(ours[i].item == theirs[pairing.partners[i]].item for i in others)
    words = {pairing.partners[i] for i in others if ours[i].kind == "word"}
    assert phrase
    assert words.isdisjoint(pairing.partners[i] for i in phrase)
    assert len(others) + len(phrase) == len(ours)  # none is left alone


def test_a_templates_words_stay_out_of_the_context():
    """Z-Image's Qwen: the prompt within a chat template, byte-level tokens, no weights, no pooled vector."""
    clip = tree.template_clip()
    [[plain, _]] = encode(clip, TEXT)
    context = uc.Concept("sks dog", "dog", uc.ByRole(0, 1, 0), 1.0)
    read = encoded(clip, base_of(clip), TEXT, [context])
    moved = (read.adjusted([context])[0][0] != plain).any(-1)[0]
    # a photo of [sks dog] in the snow; the first three are the same in both prompts
    kinds = [uc.adjusters.Role(role).name for role in read.roles[0][0][0].tolist()]
    assert kinds.count("CONTEXT") == 6
    assert "CONCEPT" in kinds
    assert {kind for kind, has in zip(kinds, moved.tolist(), strict=True) if has} == {"CONTEXT"}
    both = uc.Concept("sks dog", "dog", 0.5)
    twin = encode(clip, "a photo of dog in the snow")
    by_trace = finished([[plain, {}]], twin, clip, TEXT, [both]).adjusted([both])[0][0]
    torch.testing.assert_close(by_trace, encoded(clip, clip, TEXT, [both]).adjusted([both])[0][0])


def test_nothing_is_changed_by_alpha_0_and_nothing_remains_changed(clip):
    text = "a (sks dog:1.3) in the (snow:0.7)"
    before = encode(clip, text)
    concept = uc.Concept("sks dog", "dog", 0.0, None)
    assert torch.equal(encoded(clip, base_of(clip), text, [concept]).adjusted([concept])[0][0], before[0][0])
    assert torch.equal(encode(clip, text)[0][0], before[0][0])


def test_a_skipped_layer_is_that_of_both(clip):
    skipped = clip.clone()
    skipped.clip_layer(-2)
    twin = encode(skipped, "a photo of dog in the snow")
    expected = finished(encode(skipped, TEXT), twin, skipped, TEXT, [DOG]).adjusted([DOG])
    read = encoded(skipped, base_of(skipped), TEXT, [DOG]).adjusted([DOG])
    torch.testing.assert_close(read, expected)
    assert not torch.allclose(read[0][0], encoded(clip, base_of(clip), TEXT, [DOG]).adjusted([DOG])[0][0])


def test_hooks_that_change_over_the_steps_are_followed(clip):
    """A LoRA by hooks: one conditioning for each of its keyframes, each adjusted."""
    import comfy.hooks

    key = "clip_l.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight"
    weight = 0.3 * torch.ones_like(clip.cond_stage_model.state_dict()[key])
    group = comfy.hooks.create_hook_lora({}, 1.0, 1.0)
    frames = comfy.hooks.HookKeyframeGroup()
    frames.add(comfy.hooks.HookKeyframe(strength=1.0, start_percent=0.0))
    frames.add(comfy.hooks.HookKeyframe(strength=0.0, start_percent=0.5))
    group.set_keyframes_on_hooks(frames)
    hooked = clip.clone()
    hooked.patcher.forced_hooks = group
    hooked.use_clip_schedule = True
    hooked.patcher.register_all_hook_patches(
        group, comfy.hooks.create_target_dict(comfy.hooks.EnumWeightTarget.Clip)
    )
    hooked.patcher.add_hook_patches(group.hooks[0], {key: ("diff", (weight,))})
    plain = encode(hooked, TEXT)
    read = encoded(hooked, base_of(hooked), TEXT, [DOG]).adjusted([DOG])
    assert [entry[1]["clip_start_percent"] for entry in read] == [0.0, 0.5]
    assert not torch.allclose(plain[0][0], plain[1][0])
    expected = encoded(clip, clip, TEXT, [DOG]).adjusted([DOG])
    torch.testing.assert_close(read[1][0], expected[0][0])


def test_comfyui_accepts_every_node(nodes):
    for node in nodes.values():
        assert node.GET_NODE_INFO_V1()["name"] == node.GET_SCHEMA().node_id
        assert node.VALIDATE_CLASS() is None


def test_a_prompt_through_the_nodes(nodes, clip):
    [concept] = nodes["UncollapseConceptByRole"].execute("sks dog", "dog", 0.0, 1.0, 1.0, 1.0, "base").result
    conditioning, report = nodes["UncollapseTextEncode"].execute(clip, concept, TEXT).result
    expected = encoded(clip, base_of(clip), TEXT, [DOG]).adjusted([DOG])
    torch.testing.assert_close(conditioning, expected)
    assert "TEA α 0/1/1, β 1, prompt level" in report
