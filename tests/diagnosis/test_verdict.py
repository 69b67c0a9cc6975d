"""The verdict's rule, its advice, the whole diagnosis of a pipeline, and the curve over a training."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

import uncollapse as uc
from toys.comparisons import made_up as pictures_made_up
from toys.diagnoses import CONTEXTS, FAST, training_of
from toys.pipelines import WIDTH, make_pipeline
from uncollapse.comparison import tea_arms
from uncollapse.diagnosis.diagnose import (
    Diagnosis,
    DiagnosisSettings,
    diagnose_embeddings,
    diagnose_pipeline,
)
from uncollapse.diagnosis.pictures import Pictures, PictureSettings
from uncollapse.diagnosis.probe import Probe, ProbeSettings
from uncollapse.diagnosis.report import page, proposal
from uncollapse.diagnosis.results import as_json
from uncollapse.diagnosis.training import change_point, diagnose_trajectory
from uncollapse.diagnosis.verdict import HEARD, PRESENCE, probe_verdict
from uncollapse.learned_embeds import LearnedEmbedding
from uncollapse.metrics.sets.bootstrap import Interval
from uncollapse.trajectory import Checkpoint, Trajectory
from uncollapse.vocabulary.tables import vocabularies_of


def made_up(heard, presence=1.0):
    figures = (Interval(value, value - 0.1, value + 0.1) for value in (1.0, 1.0, heard, presence))
    return Probe(*figures, by_context=torch.zeros(4))


def by_alpha(heard):
    return [(tea_arms([alpha], 1.0)[0], made_up(value)) for alpha, value in heard.items()]


@pytest.mark.parametrize(
    ("heard", "presence", "word"),
    [
        (HEARD - 0.01, PRESENCE + 0.1, "dominating"),
        (HEARD - 0.01, PRESENCE - 0.1, "dominating"),
        (HEARD + 0.01, PRESENCE + 0.01, "healthy"),
        (HEARD + 0.01, PRESENCE - 0.01, "overlooked"),
    ],
)
def test_the_rule(heard, presence, word):
    verdict = probe_verdict(made_up(heard, presence), "cat")
    assert verdict.word == word
    assert verdict.rests_on == "denoiser"
    assert f"{heard:.2f} [" in verdict.reasons[0]


def test_the_advice_is_the_smallest_alpha_over_the_line():
    tried = by_alpha({0.2: HEARD - 0.05, 0.4: HEARD + 0.1, 0.6: HEARD + 0.3})
    advice = probe_verdict(made_up(0.1), "cat", tried).advice
    assert (advice.arm, advice.anchor) == (tried[1][0], "cat")
    assert advice.strength == "α 0.4, β 1"
    assert f"rises from 0.10 to {HEARD + 0.1:.2f}" in advice.expect
    assert probe_verdict(made_up(HEARD + 0.2), "cat", tried).advice is None


def test_what_text_cannot_cure_is_said():
    part = probe_verdict(made_up(0.1), "cat", by_alpha({0.2: 0.15, 0.6: 0.2})).advice
    assert part.strength == "α 0.6, β 1"
    assert "from 0.10 to 0.20, the most of all that were tried" in part.expect
    assert "part of the collapse may sit in the denoiser" in part.expect
    none = probe_verdict(made_up(0.1), "cat", by_alpha({0.2: 0.05})).advice
    assert "No α tried makes more of the context heard" in none.expect


def test_the_advice_says_how_far_it_is_to_be_trusted_until_pictures_show_it():
    tried = by_alpha({0.6: 0.34})
    found = Diagnosis("model", "sks cat", "cat", probe_verdict(made_up(0.1), "cat", tried))
    assert "(78 % of the verdicts right, not 90; dominating or not 88 %, not 92)" in proposal(found)
    assert "only pictures show" in proposal(found)
    drawn = pictures_made_up({"personalised": (0, 10), "TEA α 0.6": (7, 9)})
    [arm] = [arm for arm in drawn.arms if arm.altered]
    tried = [(arm, made_up(0.34))]
    verdict = probe_verdict(made_up(0.1), "cat", tried)
    seen = replace(found, verdict=verdict, pictures=Pictures(PictureSettings(drawn.prompts), drawn))
    assert proposal(seen).startswith(
        "Try α 0.6, β 1.5, anchor “cat”. The context heard rises from 0.10 to 0.34"
    )
    assert "right" not in proposal(seen)
    html = page([seen])
    assert "the context rises to 70% (+70 points) and the likeness falls to 90%" in html


def diagnosed(pipe, *rows):
    embedding = LearnedEmbedding("<t>", {"text_encoder": torch.stack(rows)})
    [found] = diagnose_embeddings([embedding], vocabularies_of(pipe), ["cat"], uc.Adjustment(), ["cat.pt"])
    return found


def test_a_file_drifted_and_one_in_place(pipe):
    c = vocabularies_of(pipe)["text_encoder"].anchor_vector("cat")
    away = torch.randn(WIDTH)
    away = 20 * (away - (away @ c) / (c @ c) * c)
    drifted, in_place = diagnosed(pipe, away, c), diagnosed(pipe, c)
    assert (drifted.verdict.word, in_place.verdict.word) == ("drifted", "in place")
    assert drifted.verdict.reasons[0].startswith("1 of 2 vectors are longer than 99 %")
    assert drifted.verdict.advice.arm.adjuster == uc.Adjustment(0.2, 1.5)
    assert as_json(drifted)["verdict"]["advice"]["alpha"] == 0.2
    assert in_place.verdict.advice is None
    assert "0 of 1 are no nearer" in in_place.verdict.reasons[1]
    short = diagnosed(pipe, c / 100)
    assert any("1 of 1 are shorter than 99 %" in reason for reason in short.verdict.reasons)


def test_a_pipeline_from_end_to_end(lora_pipe):
    steps = []
    found = diagnose_pipeline(lora_pipe, uc.Concept("sks cat", "cat"), CONTEXTS, FAST, on_step=steps.append)
    assert found.verdict.word in ("dominating", "healthy", "overlooked")
    assert found.prompts["text_encoder"].pooled.value > 0
    assert list(found.adjusted) == ["TEA α 0.3", "TEA α 0.9"]
    assert len(steps) == 3 + 2
    assert found.notes == ()
    data = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert (
        data["prompts"]["text_encoder"]["between"]["energy"] == found.prompts["text_encoder"].between.energy
    )
    assert data["prompts"]["text_encoder"]["published"]["within"]["hausdorff"] == 0
    assert data["probe"]["heard"]["value"] == found.probe.heard.value
    assert len(data["probe"]["by_context"]) == 4


def test_an_untouched_model_is_overlooked_and_deaf_to_nothing(pipe):
    found = diagnose_pipeline(pipe, uc.Concept("sks cat", "cat"), CONTEXTS, FAST)
    assert found.probe.presence.value < found.probe.response.value


def test_what_one_part_cannot_do_does_not_stop_the_others(lora_pipe):
    lora_pipe.text_encoder.config.model_type = "qwen2_5_vl"
    found = diagnose_pipeline(lora_pipe, uc.Concept("sks cat", "cat"), CONTEXTS, FAST)
    assert found.prompts == {}
    assert found.probe is not None
    assert found.notes[0].startswith("Prompt level left out: ")
    without = diagnose_pipeline(
        make_pipeline(), uc.Concept("sks cat", "cat"), CONTEXTS, DiagnosisSettings(probe=None)
    )
    assert (without.verdict, without.probe) == (None, None)
    assert "there is no verdict" in without.notes[0]


@pytest.mark.parametrize(
    ("values", "cut"),
    [
        ([1, 0.9, 1, 0.2, 0.1, 0.2], 3),
        ([1, 1, 1, 1], None),
        ([0.1, 0.1, 1, 1], None),  # a rise
        ([1, 0.2, 0.2], None),  # too few
        ([1, 0.98, 0.99, 0.97, 0.3], 4),
    ],
)
def test_the_change_point(values, cut):
    assert change_point(values) == cut


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ([1, 0.9, 1, 0.2, 0.1, 0.2], " from 1.00 to 0.20. A lower level begins at step 300."),
        ([0.99, 0.5, 0.17], " from 0.99 to 0.17. Fewer than 4 checkpoints do not show where."),
        ([0.99, 0.2, 0.9, 0.17, 0.8], " from 0.99 to 0.80. No one step shows where."),
        ([0.5, 0.9, 0.4, 0.5], " from 0.50 to 0.50."),
        ([0.5, 0.6], " from 0.50 to 0.60."),
    ],
)
def test_what_became_of_the_context_is_said_without_contradiction(heard, said):
    assert training_of(heard).sentence.removesuffix(said).endswith("the context heard went")


def test_the_course_of_the_verdicts():
    assert training_of([0.9, 0.8, 0.3, 0.2]).course == "step 0 to 100 healthy; 200 to 300 dominating."
    assert training_of([0.9]).course == "step 0 healthy."


def test_noise_has_no_change_point_more_often_than_not():
    torch.manual_seed(0)
    found = [change_point(torch.randn(12).tolist()) for _ in range(100)]
    assert sum(cut is not None for cut in found) < 50


@pytest.mark.thorough
def test_a_training_is_what_its_checkpoints_are_alone(trainings):
    lora, _ = trainings
    pipe = make_pipeline()
    found = diagnose_trajectory(lora, lambda: pipe, CONTEXTS, ProbeSettings(seeds=(0,)), 4)
    assert not any(pipe.get_list_adapters().values())
    assert [point.step for point in found.points] == [0, 100, 200, 300]
    assert found.notes == ()
    alone = make_pipeline()
    alone.load_lora_weights(lora.path(lora.checkpoints[-1]))
    expected = diagnose_pipeline(alone, uc.Concept("sks cat", "cat"), CONTEXTS, FAST)
    last = found.points[-1]
    assert last.as_it_is.values["heard"].value == pytest.approx(expected.probe.heard.value, rel=1e-3)
    assert last.as_it_is.text["text_encoder"]["pooled drift"].value == pytest.approx(
        expected.prompts["text_encoder"].pooled.value, rel=1e-3
    )
    assert last.norm == 3.0


@pytest.mark.parametrize("method", ["textual-inversion", "reversion"])
def test_rows_are_swapped_in_place(trainings, method):
    inversion = replace(trainings[1], method=method)
    found = diagnose_trajectory(inversion, make_pipeline, CONTEXTS, ProbeSettings(seeds=(0,)), 4)
    assert len(found.points) == 4
    own = [point.as_it_is.text["text_encoder"]["concept drift"].value for point in found.points]
    assert len(set(own)) == 4


def test_a_foreign_checkpoint_loses_nothing_of_the_earlier_ones(trainings):
    lora, inversion = trainings
    shutil.copy(inversion.path(inversion.checkpoints[0]), lora.path(lora.checkpoints[2]))
    found = diagnose_trajectory(lora, make_pipeline, CONTEXTS, ProbeSettings(seeds=(0,)), 4)
    assert [point.step for point in found.points] == [0, 100]
    assert found.notes[0].startswith("Stopped after 2 of 4 checkpoints: ")
    assert "lora2.safetensors" in found.notes[0]


def test_custom_diffusion_gets_a_new_model_for_every_checkpoint(tmp_path):
    """Two checkpoints alike must come out alike, and the base stay as it was."""
    tuned = make_pipeline(seed=5)
    unet = {
        name: p.detach()
        for name, p in tuned.unet.named_parameters()
        if ".attn2.to_k" in name or ".attn2.to_v" in name
    }
    torch.manual_seed(8)
    row = torch.randn(WIDTH)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        torch.save({"unet": unet, "modifier_token": {"<new1>": row}}, tmp_path / name / "delta.bin")
    steps = (Checkpoint(1, "first"), Checkpoint(2, "second"))
    training = Trajectory(tmp_path, "custom-diffusion", "<new1> cat", "cat", "toy", steps)
    found = diagnose_trajectory(training, make_pipeline, CONTEXTS, ProbeSettings(seeds=(0,)), 4)
    assert found.notes == ()
    one, other = (point.as_it_is.values["heard"].value for point in found.points)
    assert one == pytest.approx(other)
    assert one != pytest.approx(1, abs=1e-3)
