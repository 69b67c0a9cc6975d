"""Profiles against plain loops over transformers' own models and processors; what is missing has a row."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from PIL import Image, ImageOps
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from toys.eyes import save_eyes
from toys.miniature import toy_miniature
from uncollapse.errors import FileFormatError
from uncollapse.evaluation import PROFILES, Cell, Method, Run, bundled_methods, plan, profile_called, score
from uncollapse.evaluation.suites import bundled_suite
from uncollapse.metrics.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from uncollapse.miniature import MINIATURES

BOXED = {"height": 224, "width": 224}


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    return save_eyes(tmp_path_factory.mktemp("eyes"))


@pytest.fixture
def run(drawn, tmp_path):
    """A copy of the run that is drawn."""
    shutil.copytree(drawn.folder, tmp_path / "run")
    return Run(tmp_path / "run")


def given(eyes, name):
    """The folders that a profile needs."""
    own = {"dinov2": ("tea-paper", "dti"), "vit": ("dreambooth", "cc101", "dreambench++")}
    dino = [eyes[kind] for kind, profiles in own.items() if name in profiles]
    options = {each.encoder.option for each in PROFILES[name].scores}
    every = {"clip": [eyes["clip"]], "dino": dino, "siglip": [eyes["siglip"]]}
    return {option: every[option] for option in options}


def upright(file):
    with Image.open(file) as image:
        return ImageOps.exif_transpose(image)


def by_hand(run, eyes, each):
    """The figure of every row of a score, in a loop."""
    images = {p: upright(run.folder / p) for p in run.pictures().values()}
    concepts = {concept.name: concept for concept in run.plan.suite.concepts}
    encoder = each.encoder
    if encoder.option == "clip":
        model, processor = transformers.CLIPModel.from_pretrained(eyes["clip"]), CLIPImageProcessorPil()
    elif encoder.option == "siglip":
        model = transformers.SiglipModel.from_pretrained(eyes["siglip"])
        processor = SiglipImageProcessorPil(size={"height": 512, "width": 512})
    else:
        kind = "dinov2" if encoder.shape[0] == "dinov2" else "vit"
        model = transformers.AutoModel.from_pretrained(eyes[kind])
        processor = BitImageProcessorPil(
            size={"shortest_edge": 256}, crop_size=BOXED, image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD
        )
    tokenizer = transformers.AutoTokenizer.from_pretrained(eyes["clip"])

    @torch.no_grad()
    def see(image):
        if encoder.preprocessing and encoder.preprocessing.resample == "bilinear-tensor":
            pixels = encoder.preprocessing([image])  # against Pillow's in tests/metrics
        else:
            pixels = processor(image, return_tensors="pt").pixel_values
        if encoder.option == "dino":
            states = model(pixels).last_hidden_state[0]
            return states[0] if encoder.pooling == "cls" else states.mean(0)
        return model.get_image_features(pixel_values=pixels).pooler_output[0]

    @torch.no_grad()
    def read(text):
        length = model.config.text_config.max_position_embeddings
        padding = {"padding": "max_length", "max_length": length} if encoder.option == "siglip" else {}
        tokens = tokenizer([text], return_tensors="pt", truncation=True, **padding)
        mask = {} if encoder.option == "siglip" else {"attention_mask": tokens.attention_mask}
        return model.get_text_features(input_ids=tokens.input_ids, **mask).pooler_output[0]

    def scaled(a, b):
        cosine = (a @ b / a.norm() / b.norm()).item()
        if each.scale == "100sigmoid":
            return 100 / (1 + np.exp(-(cosine * model.logit_scale.exp().item() + model.logit_bias.item())))
        return {
            "100cos": 100 * cosine,
            "100max0cos": 100 * max(cosine, 0),
            "250max0cos": 250 * max(cosine, 0),
        }[each.scale]

    pictures, figures = run.pictures(), {}
    for row in run.plan.rows:
        concept = concepts[row.concept]
        [prompt] = [p for p in concept.prompts if p.asked == row.prompt]
        x = see(images[pictures[row.job]])
        match each.against:
            case "refs=all":
                photos = [see(upright(photo)) for photo in concept.photos]
                value = np.mean([scaled(x, photo) for photo in photos])
            case "refs=one":
                value = scaled(x, see(upright(concept.one_photo)))
            case "text=context":
                value = scaled(x, read(prompt.context))
            case "text=concept":
                value = scaled(x, read(prompt.concept))
            case "text=full":
                value = scaled(x, read(prompt.full))
            case "text=full.":
                value = scaled(x, read(prompt.full + "."))
        figures[row.concept, row.method, row.arm, row.prompt, row.seed] = value
    return figures


@pytest.mark.parametrize("name", ["tea-paper", "dreambooth", "cc101", "dti"])
def test_a_profile_is_its_formula(run, eyes, name):
    profile = PROFILES[name]
    warnings = []
    scored = score(run, [profile], given(eyes, name), warn=warnings.append)
    assert scored.errors == {}
    cells = run.cells()
    kept = (run.folder / "cells.jsonl").read_text().splitlines()
    assert [Cell(**json.loads(line)) for line in kept] == cells
    assert len(cells) == len(profile.scores) * len(run.plan.rows)
    for each, identity in zip(profile.scores, scored.scores, strict=True):
        assert identity.startswith(f"{each.name}|unlike {each.encoder.model}@")
        found = {
            (c.concept, c.method, c.arm, c.prompt, c.seed): c.value for c in cells if c.score == identity
        }
        expected = by_hand(run, eyes, each)
        assert found == {key: pytest.approx(value, abs=2e-3) for key, value in expected.items()}
    assert any("its figures are not those of the profile" in str(each) for each in warnings)


def test_dreambench_asks_two_dinos_and_one_folder_is_not_both(run, eyes):
    with pytest.raises(FileFormatError, match=r"None of .* could be facebook/dino-vits8"):
        score(
            run, [PROFILES["dreambench++"]], {"clip": [eyes["clip"]], "dino": [eyes["vit"], eyes["dinov2"]]}
        )


def fitting(profile, shape):
    """The profile, with the toy's shape in the stead of the published model's."""
    scores = [replace(each, encoder=replace(each.encoder, shape=shape)) for each in profile.scores]
    return replace(profile, scores=tuple(scores))


def test_the_folder_that_fits_is_taken_and_the_identity_says_all(run, eyes):
    profile = replace(PROFILES["tea-paper"], scores=PROFILES["tea-paper"].scores[:1])
    profile = fitting(profile, ("clip", 16, 32))
    warnings = []
    [identity] = score(run, [profile], {"clip": [eyes["vit"], eyes["clip"]]}, warn=warnings.append).scores
    assert warnings == []
    name, model, *rest = identity.split("|")
    assert (name, model.partition("@")[0]) == ("clip_t_context", "openai/clip-vit-large-patch14")
    assert len(model.partition("@")[2]) == 12
    assert rest == ["224bilinear-tensor", "projection", "100max0cos", "text=context", "mean"]


def test_published_slips_are_another_identity(run, eyes):
    profile = PROFILES["tea-paper"]
    only = replace(profile, scores=tuple(each for each in profile.scores if each.name == "clip_t_full"))
    scored = score(run, [only, only.as_published()], {"clip": [eyes["clip"]]})
    meant, published = scored.scores
    assert published == meant.replace("text=full", "text=published")
    with pytest.raises(FileFormatError, match="dti has no slips"):
        PROFILES["dti"].as_published()


def test_pictures_are_looked_at_once(run, eyes):
    looked = []
    clip = {"clip": [eyes["clip"]]}
    score(run, [PROFILES["uncollapse"]], clip, on_images=looked.append)
    photos = sum(len(concept.photos) for concept in run.plan.suite.concepts)
    assert sum(looked) == len(set(run.pictures().values())) + photos
    before = run.cells()
    score(run, [PROFILES["uncollapse"]], clip, on_images=looked.append)
    assert sum(looked) == len(set(run.pictures().values())) + photos
    assert run.cells() == before
    for file in (run.folder / "features").rglob("*.safetensors"):
        file.write_bytes(b"damaged")
    score(run, [PROFILES["uncollapse"]], clip)
    assert run.cells() == before


def test_what_cannot_be_read_has_a_row_without_a_value(run, eyes):
    picture = run.pictures()[run.plan.rows[-1].job]
    (run.folder / picture).write_bytes(b"no picture")
    scored = score(run, [PROFILES["uncollapse"]], {"clip": [eyes["clip"]]})
    [(error, count)] = scored.errors.items()
    assert error.startswith("the picture cannot be read")
    assert count == 4
    assert [cell.value is None for cell in run.cells()].count(True) == 4
    assert scored.figures == 4 * 17


def test_photos_say_how_like_pictures_can_be_and_what_is_a_copy(run, eyes, make_plan, tmp_path):
    suite = run.plan.suite
    folder = tmp_path / "theirs"
    for concept in suite.concepts:
        (folder / concept.name).mkdir(parents=True)
        shutil.copy(concept.photos[-1], folder / concept.name / "0_0.jpg")
    method = Method("copies", "images", pictures="{concept}/{prompt}_{seed}.jpg", folder=folder)
    copied = Run(tmp_path / "copied", plan(suite, run.plan.base, [method], ["personalised"], [0]))
    copied.draw()
    scored = score(copied, [PROFILES["uncollapse"]], {"clip": [eyes["clip"]]})
    assert [each.concept for each in scored.ceilings] == ["tom", "rex"]
    for ceiling in scored.ceilings:
        assert ceiling.score.startswith("clip_i|")
        assert ceiling.value < 100
        assert len(ceiling.nearer) == 1


def test_missing_and_needless_models_are_said(run, eyes, tmp_path):
    with pytest.raises(FileFormatError, match=r"clip-vit-base-patch32 is needed.*with clip; .*hf download"):
        score(run, [PROFILES["dreambooth"]], {})
    with pytest.raises(FileFormatError, match="siglip is used by none of dreambooth"):
        score(run, [PROFILES["dreambooth"]], {"siglip": [eyes["siglip"]]})
    with pytest.raises(FileFormatError, match="holds no model of vision"):
        score(run, [PROFILES["uncollapse"]], {"clip": [tmp_path]})
    with pytest.raises(FileFormatError, match="no profile 'teapaper', only uncollapse"):
        profile_called("teapaper")


def test_nothing_drawn_is_nothing_to_score(make_plan, tmp_path):
    run = Run(tmp_path / "run", make_plan())
    assert run.cells() == []
    with pytest.raises(FileFormatError, match="Nothing is drawn"):
        score(run, [PROFILES["uncollapse"]], {})


def test_the_bundled_suite_has_the_miniatures_judge_and_its_clip(tmp_path, monkeypatch):
    toy = toy_miniature(tmp_path / "miniature")
    (toy.folder / "clip").mkdir()
    (toy.folder / "judge.safetensors").write_bytes(b"")
    monkeypatch.setitem(MINIATURES, "unet", toy)
    base, methods = bundled_methods()
    run = Run(
        tmp_path / "run",
        plan(
            bundled_suite(), base, methods, ["base", "personalised"], [0], replace(toy.drawing, batch_size=8)
        ),
    )
    assert run.draw().complete
    scored = score(run, [PROFILES["uncollapse"]], {})
    names = [identity.partition("|")[0] for identity in scored.scores]
    assert names == [*(each.name for each in PROFILES["uncollapse"].scores), "context_kept", "identity_kept"]
    judged = [cell for cell in run.cells() if cell.score.startswith("context_kept")]
    assert len(judged) == 6
    assert {cell.value for cell in judged} <= {0.0, 1.0}
    with pytest.raises(FileFormatError, match="clip is used by none of uncollapse"):
        score(run, [PROFILES["uncollapse"]], {"clip": ["clip"]})
