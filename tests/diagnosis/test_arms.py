"""Any arm can be tried by a diagnosis and drawn over a training: by another adjuster, or by none at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn.functional import normalize

import uncollapse as uc
from toys.comparisons import CONCEPT, PROMPTS
from toys.diagnoses import CONTEXTS, FAST
from toys.outline import Outline
from toys.pipelines import encode, make_pipeline
from uncollapse.adjusters import Adjuster, Role
from uncollapse.comparison import BASE, PERSONALISED, Arm, parse_arm, tea_arms
from uncollapse.components import without_adapters
from uncollapse.diagnosis import (
    PictureSettings,
    ProbeSettings,
    diagnose_pipeline,
    diagnose_trajectory,
    save_diagnosis,
    save_training,
)
from uncollapse.diagnosis.probe import Probe
from uncollapse.diagnosis.prompts import encode as encode_alone
from uncollapse.diagnosis.text_curves import adjusted, reading
from uncollapse.diagnosis.verdict import probe_verdict
from uncollapse.metrics.sets.bootstrap import Interval
from uncollapse.models.generation import GenerationSettings


@dataclass(frozen=True)
class Clearing(Adjuster):
    """Takes out of every vector what points from the anchor to the row's concept."""

    title = "Clearing"

    def adjust(self, row, anchor, places):
        concept = (places.role == Role.CONCEPT).unsqueeze(-1)
        direction = normalize(((row - anchor) * concept).sum(-2, keepdim=True), dim=-1)
        return row - (row * direction).sum(-1, keepdim=True) * direction


@dataclass(frozen=True)
class Unadapted(Arm):
    """The placeholder, by a model whose adapters are off."""

    @contextmanager
    def drawing(self, pipe, concept, base=None) -> Iterator:
        with without_adapters(pipe):
            yield pipe


CLEARED = Arm("cleared", Clearing())
OFF = Unadapted("adapters off")


def test_the_probe_tries_them_and_the_report_calls_them_by_name(lora_pipe, tmp_path):
    found = diagnose_pipeline(lora_pipe, CONCEPT, CONTEXTS, replace(FAST, arms=[CLEARED, OFF]))
    assert list(found.adjusted) == ["cleared", "adapters off"]
    heard = [found.probe.heard.value, *(each.heard.value for each in found.adjusted.values())]
    assert len(set(heard)) == 3
    untouched = diagnose_pipeline(make_pipeline(), CONCEPT, CONTEXTS, FAST)
    assert found.adjusted["adapters off"].heard.value == pytest.approx(untouched.probe.heard.value, rel=1e-4)
    save_diagnosis([found], tmp_path)
    assert "adapters off" in (tmp_path / "heard.svg").read_text(encoding="utf-8")


def test_advice_is_worded_by_the_arms_label():
    def hears(value):
        return Probe(*(Interval(value, value, value) for _ in range(4)), by_context=torch.zeros(4))

    verdict = probe_verdict(hears(0.1), "cat", [(CLEARED, hears(0.9))])
    assert verdict.advice.strength == Clearing().label
    [blended] = tea_arms([0.4], None, 0.5)
    assert (
        probe_verdict(hears(0.1), "cat", [(blended, hears(0.9))]).advice.strength == "α 0.4, norm blend 0.5"
    )
    none = probe_verdict(hears(0.1), "cat", [(CLEARED, hears(0.05))])
    assert none.advice.expect.startswith("No adjustment tried makes more of the context heard")


@pytest.mark.thorough
def test_a_training_is_measured_drawn_and_shown_by_all_of_them(trainings, tmp_path):
    arms = [*tea_arms([0.2, 0.4], 1.0), CLEARED, OFF, BASE]
    pictures = PictureSettings(PROMPTS[:1], (0,), GenerationSettings(num_inference_steps=1))
    training = replace(trainings[0], checkpoints=trainings[0].checkpoints[::3])
    found = diagnose_trajectory(
        training, make_pipeline, CONTEXTS, ProbeSettings(seeds=(0,)), 4, pictures=pictures, arms=arms
    )
    assert found.labels == {
        "personalised": "",
        "TEA α 0.2": "with TEA α 0.2",
        "TEA α 0.4": "with TEA α 0.4",
        "cleared": f"with {CLEARED.way}",
        "adapters off": "with adapters off",
        "base": "with base",
    }
    point = found.points[-1]
    drift = {name: each.text.get("text_encoder", {}).get("pooled drift") for name, each in point.arms.items()}
    assert drift["base"] is None  # the plain word beside itself
    assert len({each.value for each in drift.values() if each}) == 5
    assert point.arms["base"].values["heard"].value == pytest.approx(1)
    save_training(found, tmp_path)
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "heard with TEA α 0.2" in page.text
    assert "heard with adapters off" in page.text
    saved = json.loads((tmp_path / "diagnosis.json").read_text())["points"][-1]
    assert list(saved["arms"]) == [PERSONALISED.name, *(arm.name for arm in arms)]
    assert saved["arms"]["TEA α 0.2"]["adjustment"]["alpha"] == 0.2
    assert saved["arms"]["cleared"]["values"]["heard"]["value"] is not None
    assert [arm["name"] for arm in saved["pictures"]["arms"]] == list(saved["arms"])


def test_an_adjuster_that_looks_at_neighbours_is_given_the_whole_sentence(lora_pipe):
    """Its last token is that of the pipeline's own prompt embeds, adjusted by ``apply``."""
    concept = uc.Concept("sks cat", "cat", adjuster=Clearing())
    tokenizer, encoder = lora_pipe.tokenizer, lora_pipe.text_encoder
    anchors = encode_alone(tokenizer, make_pipeline().text_encoder, CONTEXTS.about("cat"))
    found = adjusted(reading(lora_pipe, concept, CONTEXTS, anchors, "text_encoder"), lora_pipe, CLEARED)
    ours = encode_alone(tokenizer, encoder, CONTEXTS.about("sks cat"))
    with uc.apply(lora_pipe, concept):
        embeds = encode(lora_pipe, CONTEXTS.about("sks cat"), guidance=False)[0]
    for row, sentence, expected in zip(found.P, ours, embeds, strict=True):
        torch.testing.assert_close(row, expected[len(sentence.ids) - 1], rtol=1e-4, atol=1e-4)


def test_an_arm_that_names_other_encoders_leaves_the_sentences_as_they_are(lora_pipe):
    anchors = encode_alone(lora_pipe.tokenizer, make_pipeline().text_encoder, CONTEXTS.about("cat"))
    read = reading(lora_pipe, uc.Concept("sks cat", "cat"), CONTEXTS, anchors, "text_encoder")
    assert adjusted(read, lora_pipe, parse_arm("tea:encoders=pooled")) is read.drift
    named, every = (
        adjusted(read, lora_pipe, parse_arm(f"tea:encoders={x}")) for x in ("text_encoder", "all")
    )
    assert torch.equal(named.P, every.P)
    assert not torch.equal(named.P, read.drift.P)
