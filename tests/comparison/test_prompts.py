"""What is typed, and what is asked for around the subject."""

from uncollapse.comparison import UserPrompt


def test_a_typed_prompt_becomes_a_template_and_its_context():
    prompt = UserPrompt.around("sks cat", "A photo of SKS  cat, in the snow; not sks cats")
    assert prompt.template == "A photo of {}, in the snow; not sks cats"
    assert prompt.context == "A photo of , in the snow; not sks cats"
    assert UserPrompt.around("sks cat", "a dog").context == "a dog"
