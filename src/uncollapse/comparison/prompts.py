"""What is asked for: a sentence with a gap for the subject, and the context that it puts the subject in.

The context is what S_T^p compares a picture with: the prompt without the concept, and without the "a photo
of" before it, which says nothing of what is around it. Here, and nowhere else, it is taken from a prompt.

    "a photo of {} in the snow"    "in the snow"
    "a red hat near a {}"          "a red hat near"
    "a painting of {}"             "a painting of"        a style is a context too
    "a photo of {}"                "a photo of"           there is no other

Source: arXiv:2506.22685, section 5, whose prompt sets list the context by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from ..placeholders import substitute

__all__ = ["ContextPrompt", "UserPrompt"]

LEAD = re.compile(
    r"\s*(an?|the)?\s*(photo|photograph|picture|image)\s+of(\s+(an?|the|one|my))?\s*", re.IGNORECASE
)
ARTICLE = re.compile(r"\b(an?|the)\s+$", re.IGNORECASE)  # of the subject, so it goes with it


class ContextPrompt(Protocol):
    """A prompt with a gap for the subject, and what it asks for around it.

    ``template`` "a photo of {} in the snow", ``context`` "in the snow".
    """

    @property
    def template(self) -> str: ...
    @property
    def context(self) -> str: ...


@dataclass(frozen=True)
class UserPrompt:
    """A prompt as somebody typed it.

    >>> prompt = UserPrompt.around("sks cat", "a photo of sks cat in the snow")
    >>> prompt.template, prompt.context
    ('a photo of {} in the snow', 'in the snow')
    """

    template: str

    @classmethod
    def around(cls, placeholder: str, prompt: str) -> UserPrompt:
        """The prompt with a gap where it mentions the placeholder."""
        return cls(substitute(prompt, [(placeholder, "{}")]).new_text)

    @property
    def context(self) -> str:
        """The words around the gap, but for the lead-in of a photo."""
        before, _, after = self.template.partition("{}")
        before = ARTICLE.sub("", before)
        said = ("" if LEAD.fullmatch(before) else f"{before} ") + after.replace("{}", " ")
        return " ".join(said.split()).lstrip(",;:. ") or " ".join(before.split())
