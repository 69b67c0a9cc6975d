"""A plan: what is wanted, what is shared, and what makes a picture another picture."""

from dataclasses import replace

import pytest

from uncollapse.adjustment import Adjustment
from uncollapse.comparison import BASE, Arm
from uncollapse.errors import AdjustmentError, FileFormatError, PlaceholderError
from uncollapse.evaluation import Base, Method, read_methods
from uncollapse.evaluation.suites import SuitePrompt
from uncollapse.models.generation import GenerationSettings


def test_a_row_for_each_and_a_job_for_what_is_not_shared(make_plan):
    one = make_plan()
    assert len(one.rows) == (2 + 1) * 3 * 2
    assert len(one.jobs) == len(one.rows)
    [method] = one.methods
    two = make_plan(methods=[method, replace(method, name="again", placeholder="<{class}>")])
    assert len(two.rows) == 2 * len(one.rows)
    assert len(two.jobs) == 3 * 2 * (1 + 2 * 2)  # the base model's pictures are both methods'
    assert {row.job for row in two.rows} == set(two.jobs)


def test_jobs_say_what_the_pipeline_is_given(make_plan):
    jobs = make_plan().jobs.values()
    texts = {(job.method, job.text) for job in jobs if job.concept == "tom"}
    assert ("", "a photo of cat in the snow") in texts
    assert ("LoRA", "a photo of sks cat in the snow") in texts


def test_a_batch_is_of_one_adapter_and_one_arm_whoever_draws_it(make_plan):
    batches = make_plan().batches
    assert sum(len(batch.jobs) for batch in batches) == 18
    assert max(len(batch.jobs) for batch in batches) == 3
    for batch in batches:
        assert len({(job.method, job.concept, job.arm) for job in batch.jobs}) == 1
    loaded = [(batch.jobs[0].method, batch.jobs[0].method and batch.jobs[0].concept) for batch in batches]
    changes = sum(a != b for a, b in zip(loaded, loaded[1:], strict=False))
    assert changes == len(set(loaded)) - 1


SAME = {
    "where files are": lambda plan: {
        "methods": [replace(plan.methods[0], folder=plan.methods[0].folder / ".")]
    },
    "an arm typed otherwise": lambda plan: {"arms": ("base", "personalised", "tea: alpha=.40, beta=1.5")},
    "an arm as it is in Python": lambda plan: {"arms": (BASE, *plan.named_arms.values())},
    "an arm twice": lambda plan: {"arms": (*plan.arms, "base")},
}
OTHER = {
    "a step": {"settings": GenerationSettings(num_inference_steps=3, batch_size=3)},
    "a negative prompt": {"settings": GenerationSettings(2, negative_prompt="blurry", batch_size=3)},
    "a strength": {"arms": ("tea:alpha=0.5",)},
    "a seed": {"seeds": (2,)},
}


@pytest.mark.parametrize("given", SAME.values(), ids=list(SAME))
def test_the_same_picture_is_the_same_job(make_plan, given):
    plan = make_plan()
    assert set(make_plan(**given(plan)).jobs) == set(plan.jobs)


@pytest.mark.parametrize("given", OTHER.values(), ids=list(OTHER))
def test_another_picture_is_another_job(make_plan, given):
    plan = make_plan(**({"arms": ("tea:alpha=0.4",)} | given))
    assert not set(plan.jobs) & set(make_plan().jobs)


def test_other_weights_and_another_dtype_make_other_jobs(make_plan, bench):
    plan = make_plan(arms=("personalised",))
    [method] = plan.methods
    swapped = replace(method, weights="loras/rex/pytorch_lora_weights.safetensors")
    jobs = make_plan(arms=("personalised",), methods=[swapped]).jobs
    assert {job for job in jobs if jobs[job].concept == "tom"} & set(plan.jobs) == set()
    assert {job for job in jobs if jobs[job].concept == "rex"} <= set(plan.jobs)
    assert not set(make_plan(base=Base(plan.base.model, "float16")).jobs) & set(make_plan().jobs)


def test_arms_that_have_no_name_are_refused(make_plan):
    with pytest.raises(AdjustmentError, match="has no name that a command knows"):
        make_plan(arms=[Arm("mine", Adjustment(), schedule=lambda progress: progress)])
    with pytest.raises(AdjustmentError, match="is no way to draw"):
        make_plan(arms=["none"])


def test_prompts_without_a_gap_cannot_be_drawn(make_plan):
    suite = make_plan().suite
    concept = replace(suite.concepts[0], prompts=(SuitePrompt("a cat", "a cat", "cat", "a cat"),))
    with pytest.raises(PlaceholderError, match="1 prompts of 'tom' have no gap"):
        make_plan(suite=replace(suite, concepts=(concept,)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"names no \[\[method\]\]"),
        ("[base]\nrevision = 'main'\n", "says 'revision', which is none of dtype, model"),
        ("[[method]]\nname = 'a'\n", "no 'kind'"),
        ("[[method]]\nname = 'a'\nkind = 'dora'\n", "'dora', which is none of embedding, lora"),
        ("[[method]]\nname = 'a'\nkind = 'lora'\n", "has no 'weights'"),
        ("[[method]]\nname = 'a'\nkind = 'images'\npictures = 'x'\nweights = 'y'\n", "takes no 'weights'"),
        ("[[method]]\nname = 'a'\nkind = 'bundled'\n" * 2, "two methods of one name"),
        ("[[method]", "cannot be read as TOML"),
    ],
)
def test_what_is_wrong_with_methods_is_said(tmp_path, text, says):
    file = tmp_path / "methods.toml"
    file.write_text(text)
    with pytest.raises(FileFormatError, match=says):
        read_methods(file)


def test_weights_that_are_missing_are_named(make_plan, tmp_path):
    method = Method("LoRA", "lora", "{concept}/nothing.safetensors", folder=tmp_path)
    with pytest.raises(FileFormatError, match=r"no weights for 'tom': there is nothing at '.*tom/nothing"):
        make_plan(methods=[method])
    with pytest.raises(FileFormatError, match="There is no file at"):
        make_plan(base=Base(str(tmp_path / "model")))
