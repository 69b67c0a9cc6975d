"""The server that is asked: any that speaks OpenAI's chat completions, by the ``openai`` client.

The key comes from the environment variable ``OPENAI_API_KEY`` alone, and whatever a server says is written
down without it. Pictures and keys go over https, or nowhere but to this machine.
"""

from __future__ import annotations

import ipaddress
import os
import time
from typing import Any
from urllib.parse import urlsplit

from ...errors import EvaluationError, Setting
from .replies import Reply
from .requests import Request

__all__ = ["Endpoint"]

KEY = "OPENAI_API_KEY"
SECONDS = 120.0
RETRIES = 4
DEFAULT = "https://api.openai.com/v1"
HOPELESS = {401, 403, 404}  # the same for every request


class Endpoint:
    """A server of chat completions; closed at the end of a ``with``.

    Args:
        base_url: such as ``http://127.0.0.1:8000/v1``; None for OpenAI's.

    Raises: EvaluationError, for an address that is not safe, for a key that is missing, and without the
        ``openai`` package.
    """

    def __init__(self, base_url: str | None = None) -> None:
        self.base_url = base_url or DEFAULT
        local = _checked(self.base_url)
        self._key = os.environ.get(KEY, "")
        if not self._key and not local:
            raise EvaluationError(
                f"'{self.base_url}' wants a key, and the environment variable {KEY} is not set. Set it; no "
                "option takes a key."
            )
        try:
            from openai import DefaultHttpxClient, OpenAI
        except ModuleNotFoundError as missing:
            raise EvaluationError("To ask a server takes openai: pip install 'uncollapse[eval]'") from missing
        self._client = OpenAI(
            base_url=self.base_url,
            api_key=self._key or "none",
            max_retries=RETRIES,
            timeout=SECONDS,
            http_client=DefaultHttpxClient(follow_redirects=False, trust_env=not local),  # to nowhere else
        )
        self._dropped: dict[str, None] = {}

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, request: Request) -> Reply:
        """Send a request; what fails after some tries is a reply with an error.

        Raises: EvaluationError, for what would fail every time: a key or a model that the server refuses.
        """
        import openai

        body = {name: value for name, value in request.body.items() if name not in self._dropped}
        try:
            answer: Any = self._client.chat.completions.with_raw_response.create(**body)
            return self._reply(request, text=answer.http_response.text)
        except openai.APIStatusError as error:
            if error.status_code == 400 and "temperature" in error.message and "temperature" in body:
                self._dropped["temperature"] = None  # models that reason take none
                return self.ask(request)
            said = self._without_key(error.message)[:300]
            if error.status_code in HOPELESS:
                raise EvaluationError(
                    f"'{self.base_url}' answered {error.status_code}: {said}. Check the key in {KEY}, and "
                    "the model's name given with ",
                    Setting("model"),
                    ".",
                ) from None
            return self._reply(request, error=f"HTTP {error.status_code}: {said}")
        except openai.APIError as error:
            return self._reply(request, error=self._without_key(f"no answer: {error.message}"))

    def _reply(self, request: Request, text: str = "", error: str = "") -> Reply:
        return Reply(
            request.key, request.kept, self._without_key(text), error, time.time(), tuple(self._dropped)
        )

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text


def _checked(url: str) -> bool:
    """Whether the address is this machine's.

    Raises: EvaluationError.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise EvaluationError(
            f"The address of the server '{parts.hostname}' holds a name or password, which would be written "
            f"down with it. Leave it out, and set {KEY} if the server wants a key."
        )
    local = _is_local(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise EvaluationError(
            f"'{url}' is no address to send pictures and a key to: give one that begins with https://, or "
            "http://127.0.0.1 for a server of this machine, with ",
            Setting("base_url"),
            ".",
        )
    return local


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
