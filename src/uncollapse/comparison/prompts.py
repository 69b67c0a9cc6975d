"""What is asked for: a sentence with a gap for the subject, and the context that it puts the subject in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..placeholders import substitute

__all__ = ["ContextPrompt", "UserPrompt"]


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
    """A prompt as somebody typed it; the context is all of it but the placeholder.

    >>> UserPrompt.around("sks cat", "a photo of sks cat in the snow").template
    'a photo of {} in the snow'
    """

    template: str

    @classmethod
    def around(cls, placeholder: str, prompt: str) -> UserPrompt:
        """The prompt with a gap where it mentions the placeholder."""
        return cls(substitute(prompt, [(placeholder, "{}")]).new_text)

    @property
    def context(self) -> str:
        """The words around the gap."""
        return " ".join(self.template.replace("{}", " ").split())
