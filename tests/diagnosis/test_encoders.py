"""Pipelines with several text encoders: each is measured, at once or over a training, under its name."""

import json

import pytest
import torch

import uncollapse as uc
from toys.diagnoses import CONTEXTS, FAST
from toys.outline import Outline
from toys.whole_pipelines import build
from uncollapse.components import encoders_of
from uncollapse.diagnosis.checkpoints import states
from uncollapse.diagnosis.diagnose import DiagnosisSettings, diagnose_pipeline
from uncollapse.diagnosis.probe import ProbeSettings
from uncollapse.diagnosis.report import save_diagnosis
from uncollapse.diagnosis.training import diagnose_trajectory
from uncollapse.diagnosis.training_report import save_training
from uncollapse.errors import FileFormatError
from uncollapse.learned_embeds import LearnedEmbedding, write
from uncollapse.trajectory import Checkpoint, Trajectory

CONCEPT = uc.Concept("sks cat", "cat")
TEXT_ONLY = DiagnosisSettings(probe=None)


@pytest.mark.parametrize(
    ("name", "encoders"),
    [("SDXL", ["clip_l", "clip_g"]), ("SD3", ["clip_l", "clip_g", "t5xxl"]), ("Flux", ["clip_l", "t5xxl"])],
)
def test_each_encoder_is_measured_as_if_it_were_alone(name, encoders):
    pipe = build(name)
    found = diagnose_pipeline(pipe, CONCEPT, CONTEXTS, TEXT_ONLY)
    assert list(found.prompts) == encoders
    for key, (tokenizer, encoder) in encoders_of(pipe, "test").items():
        ends = []
        for subject in ("sks cat", "cat"):
            ids = tokenizer(CONTEXTS.templates[0].replace("{}", subject), return_tensors="pt").input_ids
            with torch.no_grad():
                ends.append(encoder(input_ids=ids).last_hidden_state[0, -1].double())
        expected = 1 - torch.cosine_similarity(*ends, dim=0)
        assert found.prompts[key].drift.pooled[0].item() == pytest.approx(expected.item(), abs=1e-5)
    pooled = [each.pooled.value for each in found.prompts.values()]
    assert len(set(pooled)) > 1


def test_an_encoder_that_wants_a_template_is_noted_and_the_others_measured():
    pipe = build("SDXL")
    pipe.text_encoder.config.model_type = "qwen2_5_vl"
    found = diagnose_pipeline(pipe, CONCEPT, CONTEXTS, TEXT_ONLY)
    assert list(found.prompts) == ["clip_l"]  # the second is now the only CLIP
    assert found.notes[0].startswith("Prompt level of text_encoder left out: diagnose: the text encoder of ")


@pytest.mark.usefixtures("drawn")
def test_the_report_names_each_encoder(tmp_path):
    found = diagnose_pipeline(build("SDXL"), CONCEPT, CONTEXTS, FAST)
    assert found.verdict is not None
    save_diagnosis([found], tmp_path)
    page = Outline((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [figure["id"] for figure in page.all("figure")] == [
        "heard", "leak-clip_l", "sentences-clip_l", "leak-clip_g", "sentences-clip_g",
    ]  # fmt: skip
    for name in ("clip_l", "clip_g"):
        assert f"Text encoder {name}: drift" in page.text
        assert (tmp_path / f"leak-{name}.png").exists()
    [data] = json.loads((tmp_path / "diagnosis.json").read_text())["diagnoses"]
    assert list(data["prompts"]) == ["clip_l", "clip_g"]


@pytest.fixture
def inversion(tmp_path):
    """A Textual Inversion of SDXL, two vectors for each of its encoders, at two steps."""
    steps = []
    torch.manual_seed(1)
    for step in range(2):
        rows = {name: torch.randn(2, 32) for name in ("clip_l", "clip_g")}
        write(tmp_path / f"{step}.safetensors", LearnedEmbedding("<t>", rows))
        steps.append(Checkpoint(step, f"{step}.safetensors", norm=1.0, cosine=0.5))
    return Trajectory(tmp_path, "textual-inversion", "<t>", "cat", "toy", tuple(steps))


def test_the_rows_of_every_encoder_are_swapped(inversion):
    from uncollapse.learned_embeds import read

    pipe = build("SDXL")
    for checkpoint, tuned in states(inversion, pipe, None):
        embedding = read(inversion.path(checkpoint))
        for name, (tokenizer, encoder) in encoders_of(tuned, "test").items():
            ids = tokenizer.convert_tokens_to_ids(["<t>", "<t>_1"])
            torch.testing.assert_close(encoder.get_input_embeddings().weight[ids], embedding.vectors[name])


@pytest.mark.thorough
def test_a_training_has_curves_for_each(inversion, tmp_path):
    pipe = build("SDXL")
    found = diagnose_trajectory(inversion, lambda: pipe, CONTEXTS, ProbeSettings(seeds=(0,)), 4)
    assert found.encoders == ["clip_l", "clip_g"]
    for name in found.encoders:
        one, other = (point.as_it_is.text[name]["concept drift"].value for point in found.points)
        assert one != other
    save_training(found, tmp_path / "out")
    page = Outline((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert [figure["id"] for figure in page.all("figure")] == ["heard", "text-clip_l", "text-clip_g"]
    assert "spread, clip_g" in page.text


def test_a_checkpoint_of_another_training_is_named(inversion):
    write(inversion.folder / "1.safetensors", LearnedEmbedding("<t>", {"clip_l": torch.randn(3, 32)}))
    with pytest.raises(FileFormatError, match=r"1.safetensors: holds 3 vectors, but .* before it 2"):
        for _ in states(inversion, build("SDXL"), None):
            pass
