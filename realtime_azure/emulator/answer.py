"""One response, told in the service's events and in its order. Pure: who sends them decides when.

The order is that of recorded sessions of Azure's GA service.
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pybase64

Fields = dict[str, Any]

DELTA_MS = 100
"""How much sound one `response.output_audio.delta` carries."""

WORDS_AHEAD = 3
"""How many words of the transcript come before the sound; then two with each piece of it."""


def new_id(kind: str) -> str:
    """An id as the service makes them: `item_…`, `resp_…`."""
    return f"{kind}_{secrets.token_hex(11)[:21]}"


def event(type: str, **fields: Any) -> Fields:  # noqa: A002 - the wire's word
    return {"type": type, "event_id": new_id("event"), **fields}


def _obfuscation(delta: str) -> str:
    return secrets.token_hex(8)[: max(1, 16 - len(delta))]


@dataclass
class Spoken:
    """A message of the assistant, as far as it was said: *text*, and *sent_bytes* of sound where it is *aloud*."""

    aloud: bool
    index: int
    previous_item_id: str | None
    id: str = field(default_factory=lambda: new_id("item"))
    text: str = ""
    sent_bytes: int = 0
    status: str = "in_progress"
    """How it was closed."""
    opened: int = 0
    """How many of the events that open it are out: a cut answer closes those."""

    def opening(self, response_id: str) -> Iterator[Fields]:
        item = self.item("in_progress")
        self.opened += 1
        yield event("response.output_item.added", response_id=response_id, output_index=self.index, item=item)
        self.opened += 1
        yield event("conversation.item.added", previous_item_id=self.previous_item_id, item=item)
        self.opened += 1
        yield self._content("response.content_part.added", response_id, part=self._part(), content=self._part())

    def word(self, word: str, response_id: str) -> Fields:
        self.text += word
        kind = "response.output_audio_transcript.delta" if self.aloud else "response.output_text.delta"
        return self._content(kind, response_id, delta=word, obfuscation=_obfuscation(word))

    def sound(self, piece: bytes, response_id: str) -> Fields:
        self.sent_bytes += len(piece)
        return self._content("response.output_audio.delta", response_id, delta=pybase64.b64encode(piece).decode())

    def closing(self, response_id: str, status: str) -> Iterator[Fields]:
        if self.opened >= 3:
            if self.aloud:
                yield self._content("response.output_audio.done", response_id)
                yield self._content("response.output_audio_transcript.done", response_id, transcript=self.text)
            else:
                yield self._content("response.output_text.done", response_id, text=self.text)
            yield self._content("response.content_part.done", response_id, part=self._part(), content=self._part())
        item = self.item(status)
        if self.opened >= 2:
            yield event("conversation.item.done", previous_item_id=self.previous_item_id, item=item)
        if self.opened >= 1:
            yield event("response.output_item.done", response_id=response_id, output_index=self.index, item=item)

    def item(self, status: str) -> Fields:
        content: list[Fields] = []
        if self.opened >= 3:
            heard = {"type": "output_audio", "transcript": self.text}
            content = [heard if self.aloud else {"type": "output_text", "text": self.text}]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _part(self) -> Fields:
        # In content_part events the service says `audio` and `text`, where items say `output_audio` and `output_text`.
        return {"type": "audio", "transcript": self.text} if self.aloud else {"type": "text", "text": self.text}

    def _content(self, type: str, response_id: str, **fields: Any) -> Fields:  # noqa: A002 - the wire's word
        where = {"response_id": response_id, "item_id": self.id, "output_index": self.index, "content_index": 0}
        return event(type, **where, **fields)


@dataclass
class Called:
    """A function call, as far as its *arguments* were said."""

    name: str
    index: int
    previous_item_id: str | None
    id: str = field(default_factory=lambda: new_id("item"))
    call_id: str = field(default_factory=lambda: f"call_{secrets.token_hex(8)}")
    arguments: str = ""
    status: str = "in_progress"
    opened: int = 0

    def opening(self, response_id: str) -> Iterator[Fields]:
        item = self.item("in_progress")
        self.opened += 1
        yield event("response.output_item.added", response_id=response_id, output_index=self.index, item=item)
        self.opened += 1
        yield event("conversation.item.added", previous_item_id=self.previous_item_id, item=item)

    def delta(self, piece: str, response_id: str) -> Fields:
        self.arguments += piece
        kind = "response.function_call_arguments.delta"
        return event(kind, **self._where(response_id), delta=piece, obfuscation=_obfuscation(piece))

    def closing(self, response_id: str, status: str) -> Iterator[Fields]:
        item = self.item(status)
        if self.opened >= 2:
            kind = "response.function_call_arguments.done"
            yield event(kind, **self._where(response_id), name=self.name, arguments=self.arguments)
            yield event("conversation.item.done", previous_item_id=self.previous_item_id, item=item)
        if self.opened >= 1:
            yield event("response.output_item.done", response_id=response_id, output_index=self.index, item=item)

    def item(self, status: str) -> Fields:
        said = {"name": self.name, "call_id": self.call_id, "arguments": self.arguments}
        return {"id": self.id, "type": "function_call", "status": status, **said}

    def _where(self, response_id: str) -> Fields:
        return {
            "response_id": response_id,
            "item_id": self.id,
            "output_index": self.index,
            "call_id": self.call_id,
        }


Output = Spoken | Called
Timed = tuple[Fields, float]
"""An event, and the seconds of sound in it."""


@dataclass
class Answer:
    """A response under way.

    *spoken* says whether it is sound with a transcript, or text; *audio_output* the format and the voice, and
    *bytes_per_second* the rate of sound in it. *conversation_id* is None for one outside the conversation.
    """

    spoken: bool
    audio_output: Fields
    conversation_id: str | None
    input_tokens: Fields
    metadata: Fields | None = None
    bytes_per_second: int = 48000
    max_output_tokens: int | str = "inf"
    previous_item_id: str | None = None
    id: str = field(default_factory=lambda: new_id("resp"))
    outputs: list[Output] = field(default_factory=list[Output])
    deleted: set[str] = field(default_factory=set[str])
    """Ids of items that the client took out of the conversation again."""
    truncated_ms: dict[str, int] = field(default_factory=dict[str, int])
    """After which time the client did not hear it: item id → milliseconds."""
    _closed: int = 0
    _closing: deque[Timed] = field(default_factory=deque[Timed])

    def created(self) -> Fields:
        return event("response.created", response=self._response("in_progress", None, []))

    def say(self, text: str, sound: bytes) -> Iterator[Timed]:
        """*text*, with its *sound* (in the output format) where the answer is spoken, piece by piece."""
        said = yield from self._speaking()
        size = self.bytes_per_second * DELTA_MS // 1000
        pieces = [sound[start : start + size] for start in range(0, len(sound), size)]
        words = re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text)
        ahead = WORDS_AHEAD if pieces else len(words)
        for word in words[:ahead]:
            yield said.word(word, self.id), 0
        for at, piece in enumerate(pieces):
            yield said.sound(piece, self.id), len(piece) / self.bytes_per_second
            for word in words[ahead + 2 * at : ahead + 2 * at + 2]:
                yield said.word(word, self.id), 0
        for word in words[ahead + 2 * len(pieces) :] if pieces else ():
            yield said.word(word, self.id), 0

    def call(self, name: str, arguments: str) -> Iterator[Timed]:
        """A call of the function *name*, its *arguments* (JSON text) piece by piece."""
        yield from self._close()
        called = Called(name, len(self.outputs), self._last_id())
        self.outputs.append(called)
        yield from self._told(called.opening(self.id))
        for piece in re.findall(r"\w+|\W+", arguments):
            yield called.delta(piece, self.id), 0
        yield from self._close()  # nothing can be added to it, and whoever runs the function need not wait

    def done(self, status: str = "completed", details: Fields | None = None) -> Iterator[Fields]:
        """How it ends, wherever it was."""
        for closing, _ in self._close(status):
            yield closing
        yield event("response.done", response=self._response(status, details, self.items(status)))

    def items(self, status: str) -> list[Fields]:
        """What it put into the conversation, when it ends as *status*; so does the item that it was at."""
        ending = _ending(status)
        shown = [output for output in self.outputs if output.opened]
        return [output.item(ending if output.status == "in_progress" else output.status) for output in shown]

    def conversation_items(self, status: str | None = None) -> list[Fields]:
        """Its items as the conversation has them; without *status*, those that have been announced so far."""
        kept = [output for output in self.outputs if output.opened >= 2 and output.id not in self.deleted]
        ending = "in_progress" if status is None else _ending(status)
        items = [output.item(ending if output.status == "in_progress" else output.status) for output in kept]
        for item in items:
            if item["id"] in self.truncated_ms:
                item["content"][0].pop("transcript", None)
        return items

    def sound_ms(self, item_id: str) -> float | None:
        """How much of the item's sound is to be heard; None if it has none."""
        for spoken in self.spoken_items:
            if spoken.id == item_id and spoken.aloud:
                return self.truncated_ms.get(item_id, spoken.sent_bytes * 1000 / self.bytes_per_second)
        return None

    @property
    def spoken_items(self) -> list[Spoken]:
        """Its messages."""
        return [output for output in self.outputs if isinstance(output, Spoken)]

    @property
    def has_sound(self) -> bool:
        """Whether any sound of it was sent."""
        return any(spoken.sent_bytes for spoken in self.spoken_items)

    @property
    def tokens(self) -> int:
        """How many tokens it has said so far."""
        return sum(self._said_tokens())

    def _speaking(self) -> Generator[Timed, None, Spoken]:
        now = self.outputs[-1] if self.outputs and len(self.outputs) > self._closed else None
        if isinstance(now, Spoken):
            return now
        yield from self._close()
        made = Spoken(self.spoken, len(self.outputs), self._last_id())
        self.outputs.append(made)
        yield from self._told(made.opening(self.id))
        return made

    def _told(self, events: Iterator[Fields]) -> Iterator[Timed]:
        """*events*, without those of a conversation where there is none."""
        for each in events:
            if self.conversation_id is not None or not each["type"].startswith("conversation."):
                yield each, 0

    def _close(self, status: str = "completed") -> Iterator[Timed]:
        """Closes the output that is open, if one is; where a cut came in the middle of that, it goes on with it."""
        if len(self.outputs) > self._closed:
            self._closed = len(self.outputs)
            last = self.outputs[-1]
            last.status = _ending(status)
            self._closing.extend(self._told(last.closing(self.id, last.status)))
        while self._closing:
            yield self._closing.popleft()

    def _last_id(self) -> str | None:
        return self.outputs[-1].id if self.outputs else self.previous_item_id

    def _response(self, status: str, details: Fields | None, output: list[Fields]) -> Fields:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": self.conversation_id,
            "output_modalities": ["audio" if self.spoken else "text"],
            "max_output_tokens": self.max_output_tokens,
            "audio": {"output": self.audio_output},
            "usage": None if status == "in_progress" else self._usage(),
            "metadata": self.metadata,
        }

    def _said_tokens(self) -> tuple[int, int]:
        """Text and audio tokens as the service counts: 20 for a second of sound; a word counts as one."""
        text = sum(len((out.text if isinstance(out, Spoken) else out.arguments).split()) for out in self.outputs)
        sound = sum(out.sent_bytes for out in self.outputs if isinstance(out, Spoken))
        return text, round(20 * sound / self.bytes_per_second)

    def _usage(self) -> Fields:
        (text, audio), heard = self._said_tokens(), self.input_tokens
        cached = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
        return {
            "total_tokens": heard["text_tokens"] + heard["audio_tokens"] + text + audio,
            "input_tokens": heard["text_tokens"] + heard["audio_tokens"],
            "output_tokens": text + audio,
            "input_token_details": {**heard, "image_tokens": 0, "cached_tokens": 0, "cached_tokens_details": cached},
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        }


def _ending(status: str) -> str:
    """How the item ends that an answer was at when it ended as *status*."""
    return "completed" if status == "completed" else "incomplete"
