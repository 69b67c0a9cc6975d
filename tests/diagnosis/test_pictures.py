"""Pictures in a diagnosis: drawn by whom they say, measured with intervals, shown and kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import uncollapse as uc
from toys.clip import make_clip
from toys.comparisons import CONCEPT, PROMPTS, made_up
from toys.diagnoses import CONTEXTS, FAST
from toys.outline import Outline
from toys.pictures import SIZE, picture, pixels
from toys.pipelines import add_token, encode, make_pipeline
from uncollapse.comparison import clip_measure, tea_arms
from uncollapse.diagnosis.diagnose import diagnose_pipeline
from uncollapse.diagnosis.pictures import (
    Pictures,
    PictureSettings,
    arms_for,
    draw_pictures,
    figures,
    picture_prompts,
)
from uncollapse.diagnosis.points import Point, TrainingDiagnosis
from uncollapse.diagnosis.previews import read_previews
from uncollapse.diagnosis.probe import ProbeSettings
from uncollapse.diagnosis.prompts import encode as encode_alone
from uncollapse.diagnosis.prompts import prompt_drift
from uncollapse.diagnosis.report import save_diagnosis
from uncollapse.diagnosis.text_curves import adjusted, reading
from uncollapse.diagnosis.training import diagnose_trajectory
from uncollapse.diagnosis.training_plots import filmstrip, picture_rows
from uncollapse.diagnosis.training_report import save_training
from uncollapse.metrics import SCORES, ClipScorer, Preprocessing, share
from uncollapse.metrics.sets.bootstrap import mean_interval
from uncollapse.models.generation import GenerationSettings, generate
from uncollapse.output import save_png

TWO_STEPS = GenerationSettings(num_inference_steps=2)
[TEA] = tea_arms([0.6], 1.0)


@pytest.fixture
def settings():
    measure = clip_measure(ClipScorer(*make_clip(), Preprocessing(SIZE, SIZE)), "cat", [picture("purple")])
    sources = dict.fromkeys(SCORES, "a toy CLIP")
    return PictureSettings(PROMPTS, (0, 1), TWO_STEPS, [measure], [picture("purple")], sources)


def names(arms):
    return [arm.name for arm in arms]


def test_a_base_model_is_drawn_where_there_is_one(lora_pipe, base_pipe):
    assert names(arms_for(lora_pipe, CONCEPT, None, TEA)) == ["base", "personalised", "TEA α 0.6"]
    assert names(arms_for(base_pipe, CONCEPT)) == ["personalised"]
    assert names(arms_for(base_pipe, CONCEPT, make_pipeline(3))) == ["base", "personalised"]
    add_token(base_pipe, "<t>", torch.randn(1, 32))
    assert names(arms_for(base_pipe, uc.Concept("<t>", "cat"))) == ["base", "personalised"]


def test_another_model_given_as_the_base_draws_its_pictures_and_lends_its_encoder(
    tuned_pipe, base_pipe, settings
):
    arms = arms_for(tuned_pipe, CONCEPT, base_pipe, *tea_arms([1.0], 1.0))
    *_, drawn = draw_pictures(tuned_pipe, CONCEPT, settings, arms, base=base_pipe)
    asked = [(prompt.template, seed) for prompt in PROMPTS for seed in (0, 1)]

    def by(pipe, subject):
        prompts = [template.replace("{}", subject) for template, _ in asked]
        return pixels(generate(pipe, prompts, [seed for _, seed in asked], TWO_STEPS))

    def of(arm):
        return pixels(record.image for record in drawn.comparison.of(arm))

    assert (of("base") == by(base_pipe, "cat")).all()
    assert (of("personalised") == by(tuned_pipe, "sks cat")).all()
    with uc.apply(tuned_pipe, replace(CONCEPT, alpha=1.0, beta=1.0), base=base_pipe):
        assert (of("TEA α 1") == by(tuned_pipe, "sks cat")).all()
    with uc.apply(tuned_pipe, replace(CONCEPT, alpha=1.0, beta=1.0)):
        assert (of("TEA α 1") != by(tuned_pipe, "sks cat")).any()


def test_intervals_are_over_contexts_and_those_of_shares_wilsons():
    comparison = made_up(kept={"personalised": (2, 9)}, clip={"personalised": (30.0, 60.0)})
    scores = [10.0, 30.0, 20.0, 24.0, 0.0, 2.0, 5.0, 5.0, 8.0, 10.0]  # two seeds a prompt
    records = [
        replace(r, scores=r.scores | {"clip_t_context": v})
        for r, v in zip(comparison.records, scores, strict=True)
    ]
    found = figures(replace(comparison, records=tuple(records)), "personalised")
    means = np.array(scores).reshape(5, 2).mean(1)
    expected = mean_interval(torch.tensor(means))  # of five contexts, not of ten pictures
    assert found["clip_t_context"].value == pytest.approx(means.mean())
    assert found["clip_t_context"].low == pytest.approx(expected.low)
    assert found["clip_t_context"].high == pytest.approx(expected.high)
    wilson = share([True] * 2 + [False] * 8)
    kept = found["context_kept"]
    assert (kept.value, kept.low, kept.high) == (wilson.percent, wilson.low, wilson.high)


def test_arms_that_were_finished_outlive_an_interruption(lora_pipe, settings):
    count = [0]

    def pressed(images):
        count[0] += images
        if count[0] > 6:
            raise KeyboardInterrupt

    drawn = None
    with pytest.raises(KeyboardInterrupt):
        for drawn in draw_pictures(  # noqa: B007
            lora_pipe, CONCEPT, settings, arms_for(lora_pipe, CONCEPT), on_images=pressed
        ):
            pass
    assert names(drawn.comparison.arms) == ["base"]
    assert len(drawn.comparison.records) == 4


def test_prompts_are_spread_over_the_contexts():
    found = picture_prompts(CONTEXTS, 3)
    assert [each.template for each in found] == [CONTEXTS.templates[i] for i in (0, 3, 6)]
    assert found[0].context == "in the snow"


def test_the_report_shows_the_pictures_and_names_units_and_sources(lora_pipe, settings, tmp_path):
    found = diagnose_pipeline(lora_pipe, CONCEPT, CONTEXTS, FAST)
    *_, drawn = draw_pictures(lora_pipe, CONCEPT, settings, arms_for(lora_pipe, CONCEPT, None, TEA))
    files = save_diagnosis([replace(found, pictures=drawn)], tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Outline(html)
    assert [figure["id"] for figure in page.all("figure")] == ["heard", "pictures", "leak", "sentences"]
    assert page.all("img")[0]["src"].startswith("data:image/png;base64,")
    for title in ("S_T^p, context", "S_T^c, concept", "S_T^f, full prompt", "CLIP-I, photos"):
        assert title in page.text
    assert "a toy CLIP" in page.text
    assert "cosine × 100" in page.text
    with Image.open(files["pictures"]) as sheet:
        assert sheet.width > 500
    [data] = json.loads((tmp_path / "diagnosis.json").read_text())["diagnoses"]
    score = data["pictures"]["figures"]["clip_i"]
    assert (score["unit"], score["source"]) == ("cosine × 100", "a toy CLIP")
    assert set(score["arms"]) == {"base", "personalised", "TEA α 0.6"}
    assert len(data["pictures"]["records"]) == 3 * 4


@pytest.mark.thorough
@pytest.mark.usefixtures("drawn")
def test_every_checkpoint_is_drawn_as_it_is_alone_and_adjusted(trainings, settings, tmp_path):
    training = replace(trainings[0], checkpoints=trainings[0].checkpoints[::3])
    counted = []
    found = diagnose_trajectory(
        training,
        make_pipeline,
        CONTEXTS,
        ProbeSettings(seeds=(0,)),
        4,
        pictures=settings,
        on_images=counted.append,
    )
    assert sum(counted) == 2 * 2 * 4
    alone = make_pipeline()
    alone.load_lora_weights(training.path(training.checkpoints[-1]))
    prompts = [prompt.template.replace("{}", "sks cat") for prompt in PROMPTS for _ in range(2)]
    expected = pixels(generate(alone, prompts, [0, 1, 0, 1], TWO_STEPS))
    drawn = [record.image for record in found.points[-1].pictures.comparison.of("personalised")]
    assert (pixels(drawn) == expected).all()
    assert list(found.points[0].arms) == ["personalised", "TEA α 0.4"]
    for measured in found.points[0].arms.values():
        assert set(measured.scores) == {"clip_t_context", "clip_t_concept", "clip_t_full", "clip_i"}
    files = save_training(found, tmp_path / "out")
    page = Outline((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    quoted, aside = ["clip_t_context", "clip_i"], ["clip_t_concept", "clip_t_full"]
    shown = [figure["id"] for figure in page.all("figure")]
    assert shown == ["heard", *quoted, "filmstrip", *aside, "text"]
    assert len(page.all("details")) == 1
    assert page.text.index(", by the pictures") < page.text.index("CLIP-I, photos with TEA")
    assert files["filmstrip"].exists()
    steps, rows = picture_rows(found)
    assert steps == ["0", "300"]
    assert [row.label for row in rows] == [
        "a photo of … in the snow",
        "TEA α 0.4",
        "… on the beach",
        "TEA α 0.4",
    ]
    points = json.loads((tmp_path / "out" / "diagnosis.json").read_text())["points"]
    assert points[0]["pictures"]["figures"]["clip_t_context"]["source"] == "a toy CLIP"


def test_many_checkpoints_are_thinned_out(lora_pipe, settings):
    [drawn] = draw_pictures(lora_pipe, CONCEPT, settings, arms_for(make_pipeline(), CONCEPT))
    points = tuple(Point(step, "healthy", {}, pictures=drawn) for step in range(30))
    steps, rows = picture_rows(TrainingDiagnosis(None, points))
    assert (steps[0], steps[-1], len(steps)) == ("0", "29", 10)
    figure = filmstrip(steps, rows).figure
    assert len(figure.axes) == 10 * len(rows) == 20


def test_what_an_adjustment_does_to_a_sentence_is_what_the_pipeline_does(lora_pipe):
    """The last token of the pipeline's own prompt embeds, adjusted by ``apply``."""
    concept = uc.Concept("sks cat", "cat", alpha=0.4, beta=1.0)
    tokenizer, encoder = lora_pipe.tokenizer, lora_pipe.text_encoder
    ours = encode_alone(tokenizer, encoder, CONTEXTS.about("sks cat"))
    anchors = encode_alone(tokenizer, make_pipeline().text_encoder, CONTEXTS.about("cat"))
    read = reading(lora_pipe, concept, CONTEXTS, anchors, "text_encoder")
    found = adjusted(read, lora_pipe, *tea_arms([0.4], 1.0))
    with uc.apply(lora_pipe, concept):
        embeds = encode(lora_pipe, CONTEXTS.about("sks cat"), guidance=False)[0]
    for row, sentence, expected in zip(found.P, ours, embeds, strict=True):
        torch.testing.assert_close(row, expected[len(sentence.ids) - 1], rtol=1e-4, atol=1e-4)


def test_rows_of_a_token_are_adjusted_before_they_are_encoded(trainings):
    _, inversion = trainings
    found = diagnose_trajectory(inversion, make_pipeline, CONTEXTS, ProbeSettings(seeds=(0,)), 4)
    plain, eased = (each.text["text_encoder"] for each in found.points[-1].arms.values())
    pipe = make_pipeline()
    uc.learned_embeds.load_into(pipe, inversion.path(inversion.checkpoints[-1]), "<t>")
    concept = uc.Concept("<t>", "cat", alpha=0.4)
    with uc.apply(pipe, concept):
        ours = encode_alone(pipe.tokenizer, pipe.text_encoder, CONTEXTS.about("<t>"))
    theirs = encode_alone(pipe.tokenizer, pipe.text_encoder, CONTEXTS.about("cat"))
    expected = prompt_drift(pipe.tokenizer, concept, ours, theirs).pooled.mean().item()
    assert eased["pooled drift"].value == pytest.approx(expected, rel=1e-3)
    assert eased["pooled drift"].value != pytest.approx(plain["pooled drift"].value, rel=1e-3)


def test_previews_are_shown_where_nothing_was_drawn(trainings, tmp_path):
    training = replace(trainings[0], checkpoints=trainings[0].checkpoints[:1])
    folder = training.folder / "previews"
    for step, colour in ((100, "red"), (200, "blue")):
        save_png(picture(colour), folder / f"step-{step:06d}.png", {"prompt": "a photo of sks cat"})
    (folder / "step-000300.png").write_bytes(b"cut off")
    (folder / "holiday.png").write_bytes(b"foreign")
    previews, prompt, [note] = read_previews(training.folder)
    assert list(previews) == [100, 200]
    assert previews[200].getpixel((0, 0)) == (0, 0, 255)
    assert prompt == "a photo of sks cat"
    assert "step-000300.png" in note
    found = diagnose_trajectory(training, make_pipeline, CONTEXTS, ProbeSettings(seeds=(0,)), 4)
    save_training(found, tmp_path / "out")
    page = Outline((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert [figure["id"] for figure in page.all("figure")] == ["heard", "previews", "text"]
    assert "step-000300.png' cannot be read" in page.text


def test_pictures_that_nobody_measured_are_shown_all_the_same(lora_pipe, settings, tmp_path):
    unmeasured = replace(settings, measures=(), references=(), sources={})
    *_, drawn = draw_pictures(lora_pipe, CONCEPT, unmeasured, arms_for(lora_pipe, CONCEPT))
    found = diagnose_pipeline(lora_pipe, CONCEPT, CONTEXTS, replace(FAST, probe=None))
    assert isinstance(drawn, Pictures)
    save_diagnosis([replace(found, pictures=drawn)], tmp_path)
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "not measured" in page.text
    assert len(page.all("img")) == 1
