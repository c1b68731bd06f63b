"""One response, told in the service's events and in its order. Pure: who sends them decides when.

The order is that of recorded sessions of Azure's GA service.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pybase64

Fields = dict[str, Any]

DELTA_MS = 100
"""How much sound one `response.output_audio.delta` carries."""


def new_id(kind: str) -> str:
    """An id as the service makes them: `item_…`, `resp_…`."""
    return f"{kind}_{secrets.token_hex(11)[:21]}"


def event(type: str, **fields: Any) -> Fields:  # noqa: A002 - the wire's word
    return {"type": type, "event_id": new_id("event"), **fields}


@dataclass
class Answer:
    """A response under way.

    *spoken* says whether it is sound with a transcript, or text; *audio_output* the format and the voice, and
    *bytes_per_second* the rate of sound in it.
    """

    spoken: bool
    audio_output: Fields
    conversation_id: str
    input_tokens: Fields
    metadata: Fields | None = None
    bytes_per_second: int = 48000
    id: str = field(default_factory=lambda: new_id("resp"))
    item_id: str = field(default_factory=lambda: new_id("item"))
    text: str = ""
    sent_bytes: int = 0
    opened: int = 0
    """How many of the events that open its item and its content are out: a cut answer closes those."""
    previous_item_id: str | None = None

    def created(self) -> Fields:
        return event("response.created", response=self._response("in_progress", None, []))

    def deltas(self, text: str, sound: bytes) -> Iterator[tuple[Fields, float]]:
        """The answer piece by piece, each with the seconds of sound in it; *sound* is in the output format."""
        item = self._item("in_progress", [])
        for opening in (
            event("response.output_item.added", response_id=self.id, output_index=0, item=item),
            event("conversation.item.added", previous_item_id=self.previous_item_id, item=item),
            self._content("response.content_part.added", part=self._part(), content=self._part()),
        ):
            self.opened += 1
            yield opening, 0
        size = self.bytes_per_second * DELTA_MS // 1000
        pieces = [sound[start : start + size] for start in range(0, len(sound), size)]
        words = [f" {word}" if at else word for at, word in enumerate(text.split(" "))]
        # The transcript runs ahead of the sound: three words first, then two with each piece.
        ahead = 3 if pieces else len(words)
        for word in words[:ahead]:
            yield self._word(word), 0
        for at, piece in enumerate(pieces):
            yield self._sound(piece), len(piece) / self.bytes_per_second
            for word in words[ahead + 2 * at : ahead + 2 * at + 2]:
                yield self._word(word), 0
        for word in words[ahead + 2 * len(pieces) :] if pieces else ():
            yield self._word(word), 0

    def done(self, status: str = "completed", details: Fields | None = None) -> Iterator[Fields]:
        """How it ends, wherever it was."""
        item = self.item("completed" if status == "completed" else "incomplete")
        if self.opened >= 3:
            if self.spoken:
                yield self._content("response.output_audio.done")
                yield self._content("response.output_audio_transcript.done", transcript=self.text)
            else:
                yield self._content("response.output_text.done", text=self.text)
            yield self._content("response.content_part.done", part=self._part(), content=self._part())
        if self.opened >= 2:
            yield event("conversation.item.done", previous_item_id=self.previous_item_id, item=item)
        if self.opened >= 1:
            yield event("response.output_item.done", response_id=self.id, output_index=0, item=item)
        yield event("response.done", response=self._response(status, details, [item] if self.opened else []))

    def item(self, status: str) -> Fields:
        if self.opened < 3:
            return self._item(status, [])
        kind = {"type": "output_audio", "transcript": self.text} if self.spoken else {"type": "output_text"}
        return self._item(status, [kind if self.spoken else {**kind, "text": self.text}])

    def _item(self, status: str, content: list[Fields]) -> Fields:
        return {"id": self.item_id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _part(self) -> Fields:
        # In content_part events the service says `audio` and `text`, where items say `output_audio` and `output_text`.
        return {"type": "audio", "transcript": self.text} if self.spoken else {"type": "text", "text": self.text}

    def _content(self, type: str, **fields: Any) -> Fields:  # noqa: A002 - the wire's word
        where = {"response_id": self.id, "item_id": self.item_id, "output_index": 0, "content_index": 0}
        return event(type, **where, **fields)

    def _word(self, word: str) -> Fields:
        self.text += word
        kind = "response.output_audio_transcript.delta" if self.spoken else "response.output_text.delta"
        return self._content(kind, delta=word, obfuscation=secrets.token_hex(8)[: max(1, 16 - len(word))])

    def _sound(self, piece: bytes) -> Fields:
        self.sent_bytes += len(piece)
        return self._content("response.output_audio.delta", delta=pybase64.b64encode(piece).decode())

    def _response(self, status: str, details: Fields | None, output: list[Fields]) -> Fields:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": self.conversation_id,
            "output_modalities": ["audio" if self.spoken else "text"],
            "max_output_tokens": "inf",
            "audio": {"output": self.audio_output},
            "usage": None if status == "in_progress" else self._usage(),
            "metadata": self.metadata,
        }

    def _usage(self) -> Fields:
        """Tokens as the service counts sound: 10 a second heard, 20 a second spoken; a word counts as one."""
        text, audio = len(self.text.split()), round(20 * self.sent_bytes / self.bytes_per_second)
        heard = self.input_tokens
        cached = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
        return {
            "total_tokens": heard["text_tokens"] + heard["audio_tokens"] + text + audio,
            "input_tokens": heard["text_tokens"] + heard["audio_tokens"],
            "output_tokens": text + audio,
            "input_token_details": {**heard, "image_tokens": 0, "cached_tokens": 0, "cached_tokens_details": cached},
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        }
