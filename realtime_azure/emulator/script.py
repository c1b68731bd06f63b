"""A responder that follows a script: for tests that know what will be said, and want to see that it was."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from .responder import FunctionCall, Reply, Said, Turn


class UnexpectedTurn(AssertionError):
    """The user, or a function, did not say what the script expected; the message shows both."""


_ANY: Any = object()
"""No result is expected; None is one (`null`)."""


@dataclass
class _Step:
    """One turn: what is expected of it, and what is answered."""

    words: str | re.Pattern[str] | None = None
    speech: bool | None = None
    result: Any = _ANY
    answer: list[Said] = field(default_factory=list[Said])

    def wrong(self, turn: Turn) -> str | None:
        """What of *turn* was not expected."""
        pattern = re.compile(re.escape(self.words), re.IGNORECASE) if isinstance(self.words, str) else self.words
        if pattern is not None and not pattern.search(turn.words):
            return f"expected {pattern.pattern!r} in what the user says, which is {turn.words!r}"
        if self.speech is not None and self.speech is not (turn.speech_seconds > 0):
            return f"expected {'speech' if self.speech else 'no speech'}, and there was {turn.speech_seconds:.1f} s"
        if self.result is not _ANY and not any(_same(self.result, each) for each in turn.results.values()):
            return f"expected the result {self.result!r} of a function, and got {list(turn.results.values())}"
        return None


def _same(wanted: Any, output: str) -> bool:
    """Whether *output*, which may be JSON, is what was *wanted*."""
    if isinstance(wanted, str):
        return wanted == output
    try:
        return bool(json.loads(output) == wanted)
    except ValueError:
        return False


class ScriptedResponder:
    """Expects this, says that; one turn after the other.

        script = ScriptedResponder()
        script.expect("weather").call("get_weather", {"city": "Oslo"})
        script.expect_result({"sky": "rain"}).say("It rains in Oslo.")
        async with serve(responder=script) as emulator:
            ...
        script.assert_done()

    A turn that is not as expected, and one more than there are, fails its response: the client is told what was
    expected and what came, and `assert_done` raises the same. What is said after one `expect` is one answer, in pieces.
    An answer that is cut (the user speaks) has had its turn. Connections share the turns: have a script for each.
    """

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._at = 0
        self._failure: UnexpectedTurn | None = None

    def expect(self, words: str | re.Pattern[str] | None = None, *, speech: bool | None = None) -> Self:
        """The next turn: has *words* somewhere (in any case), and *speech* or none; without either it may be any."""
        self._steps.append(_Step(words=words, speech=speech))
        return self

    def expect_result(self, result: Any) -> Self:
        """The next turn brings the *result* of a function: its text, or what its JSON is."""
        self._steps.append(_Step(result=result))
        return self

    def say(self, text: str, audio: bytes | None = None) -> Self:
        """Says *text*, with its sound if there is any (PCM16 mono little-endian, 24 kHz)."""
        return self._answer(Reply(text, audio))

    def call(self, name: str, arguments: str | Mapping[str, Any] = "{}") -> Self:
        """Calls the function *name*."""
        return self._answer(FunctionCall(name, arguments))

    def end(self, reason: str) -> Self:
        """Ends the answer before its time; see `Reply.reason`."""
        return self._answer(Reply(reason=reason))

    def _answer(self, said: Said) -> Self:
        if not self._steps:
            self.expect()
        self._steps[-1].answer.append(said)
        return self

    async def __call__(self, turn: Turn) -> AsyncGenerator[Said]:
        """Answers *turn*; the emulator calls it."""
        number = self._at + 1
        if self._at == len(self._steps):
            raise self._failed(f"turn {number}: the script has no more, and the user says {turn.words!r}")
        step = self._steps[self._at]
        self._at = number
        if wrong := step.wrong(turn):
            raise self._failed(f"turn {number}: {wrong}")
        for said in step.answer:
            yield said

    def _failed(self, message: str) -> UnexpectedTurn:
        self._failure = self._failure or UnexpectedTurn(message)
        return UnexpectedTurn(message)

    def assert_done(self) -> None:
        """Raises `UnexpectedTurn` if a turn was not as expected, or has not come."""
        if self._failure is not None:
            raise self._failure
        left = len(self._steps) - self._at
        if left:
            raise UnexpectedTurn(f"{left} of {len(self._steps)} turns of the script have not come")
