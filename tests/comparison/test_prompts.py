"""What is typed, and what is asked for around the subject."""

import pytest

from uncollapse.comparison import UserPrompt
from uncollapse.miniature import MINIATURES


def test_a_typed_prompt_becomes_a_template_and_its_context():
    prompt = UserPrompt.around("sks cat", "A photo of SKS  cat, in the snow; not sks cats")
    assert prompt.template == "A photo of {}, in the snow; not sks cats"
    assert prompt.context == "in the snow; not sks cats"
    assert UserPrompt.around("sks cat", "a dog").context == "a dog"


@pytest.mark.parametrize(
    ("template", "context"),
    [
        ("a photo of {} in the snow", "in the snow"),
        ("The picture of a {} on the beach.", "on the beach."),
        ("{} on the beach", "on the beach"),
        ("a red hat near {}", "a red hat near"),
        ("a red hat near a {}", "a red hat near"),
        ("a {} in the jungle", "in the jungle"),
        ("a dark photo of {} at night", "a dark photo of at night"),
        ("{} and {} in the snow", "and in the snow"),
        ("a photo of {}", "a photo of"),
    ],
)
def test_the_context_is_the_prompt_without_the_concept_and_the_lead_in_of_a_photo(template, context):
    assert UserPrompt(template).context == context


def test_the_miniatures_prompts_mean_the_same_by_it():
    [miniature] = MINIATURES.values()
    prompts = miniature.context_prompts(miniature.concepts["dog"])
    assert [prompt.context for prompt in prompts] == [
        prompt.template.removeprefix("a photo of {} ") for prompt in prompts
    ]
