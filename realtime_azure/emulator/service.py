"""What the service decides: one session's state, and what each event of the client does to it. Pure.

`Service.receive` takes a client event and says what follows: events to send, and what somebody who can wait has to do
(`Respond`, `Transcribe`, `Cancel`). Everything here is in GA vocabulary; `listener` translates for dated connections.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from .._version import __version__
from ..audio import g711
from ..audio.pcm import RATE, duration
from ..audio.resample import resample
from ..events import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    Item,
    ItemReference,
    KnownClientEvent,
    Message,
    ResponseCancel,
    ResponseConfig,
    ResponseCreate,
    SessionUpdate,
)
from ..events.wire import read_client_event
from .answer import Answer, Fields, event, new_id
from .refusals import VALUES, VOICE_LIVE_VALUES, Refused, check, check_item, error_event, refusal_of
from .responder import Turn
from .turns import SpeechStarted, SpeechStopped, TurnDetector

INSTRUCTIONS = (
    f"This is the emulator of realtime_azure {__version__}, not a model: it follows no instructions, and its "
    "answers are made on your machine."
)
LIFETIME = 3600
MIN_COMMIT_MS = 100
MAX_APPEND = 15 << 20
"""Bytes of sound in one event (Azure's limits of the realtime API)."""

_PCM: Fields = {"type": "audio/pcm", "rate": RATE}
_SERVER_VAD: Fields = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Fields = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_VOICE_LIVE_VAD: Fields = {
    **_SERVER_VAD,
    "prefix_padding_ms": 400,
    "silence_duration_ms": 500,
    "speech_duration_ms": None,
    "end_of_utterance_detection": None,
    "auto_truncate": False,
    "appended_text_after_truncation": None,
}
"""What Voice Live fills in, of any type but OpenAI's `semantic_vad`."""
_PATIENCE_MS = {"low": 1000, "medium": 500, "auto": 500, "high": 300}
_TRANSCRIPTION: Fields = {"model": None, "language": None, "prompt": None}
_VOICE_LIVE_TRANSCRIPTION: Fields = {**_TRANSCRIPTION, "custom_speech": None, "phrase_list": None}


@dataclass(frozen=True)
class Respond:
    """The *answer* to *turn* is due."""

    turn: Turn
    answer: Answer


@dataclass(frozen=True)
class Transcribe:
    """What was said in *item_id* is to be written down."""

    item_id: str
    audio: bytes = field(repr=False)


@dataclass(frozen=True)
class Cancel:
    """*answer*, which is under way, is to stop, for *reason*."""

    answer: Answer
    reason: str


Outcome = Fields | Respond | Transcribe | Cancel


class Service:
    """One session with *deployment*, or one that only writes down (*transcription*); it lasts *lifetime* seconds.

    With *rate_limits* it tells of them with each answer. With *voice_live*, it has that service's settings, too: those
    that GA has no word for are kept in the session as they were said. *now* gives seconds since 1970.
    """

    def __init__(
        self,
        deployment: str,
        *,
        transcription: bool = False,
        voice_live: bool = False,
        lifetime: float = LIFETIME,
        rate_limits: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._transcribes, self._voice_live = transcription, voice_live
        self._values = VOICE_LIVE_VALUES if voice_live else VALUES
        self._rate_limits, self._requests = rate_limits, 0
        self.session = _defaults(deployment, int(now() + lifetime), transcription=transcription, voice_live=voice_live)
        self.items: list[Fields] = []
        self.answers: dict[str, Answer] = {}  # response id → one that is under way
        self._conversation_id = new_id("conv")
        self._heard: dict[str, tuple[bytes, float]] = {}  # item id → PCM at 24 kHz, seconds of speech
        self._spoken_ms: dict[str, float] = {}  # item id → how long its sound is
        self._was_heard = False  # whether the assistant has spoken aloud in the conversation
        self._listen()

    @property
    def answer(self) -> Answer | None:
        """The response under way that speaks into the conversation: one at most. Others may be beside it."""
        return next((answer for answer in self.answers.values() if answer.conversation_id is not None), None)

    def created(self) -> Fields:
        return event("session.created", session=self.session)

    def receive(self, message: bytes, *, flat: bool = False, checked: bool = False) -> Iterator[Outcome]:
        """What the client event *message* (GA vocabulary) brings about.

        *flat* if it was one of a flat dialect, *checked* if that was seen to have no fields but its own.
        """
        try:
            yield from self._obey(self._read(message, flat, checked))
        except Refused as refusal:
            yield error_event(refusal, message)

    def _read(self, message: bytes, flat: bool, checked: bool) -> KnownClientEvent:
        try:
            made = read_client_event(message, extra=checked)
        except ValidationError as exc:
            raise refusal_of(exc, message) from exc
        if isinstance(made, SessionUpdate) and not flat and "type" not in made.session.model_fields_set:
            raise Refused("missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type")
        return made

    def _obey(self, made: KnownClientEvent) -> Iterator[Outcome]:
        match made:
            case InputAudioBufferAppend(audio=audio):
                if len(audio) > MAX_APPEND:
                    said = f"Audio of {len(audio)} bytes is too long: at most {MAX_APPEND} can be appended at once."
                    raise Refused("invalid_value", said, "audio")
                yield from self._hear(audio)
            case InputAudioBufferCommit():
                yield from self._commit_by_hand()
            case InputAudioBufferClear():
                self._forget()
                yield event("input_audio_buffer.cleared")
            case SessionUpdate():
                yield from self._update(made.session.model_dump(mode="json", exclude_unset=True))
            case ResponseCreate(response=config) if not self._transcribes:
                own = made.model_extra or {}
                yield from self._respond(config, own.get("additional_instructions"))
            case ResponseCancel(response_id=response_id):
                answer = self.answer if response_id is None else self.answers.get(response_id)
                if answer is None:
                    raise Refused("response_cancel_not_active", "Cancellation failed: no active response found")
                yield Cancel(answer, "client_cancelled")
            case ConversationItemCreate():
                yield from self._add(made)
            case _:
                yield from self._change_item(made)

    def _change_item(self, made: KnownClientEvent) -> Iterator[Outcome]:
        match made:
            case ConversationItemRetrieve(item_id=item_id):
                yield event("conversation.item.retrieved", item=self._find(item_id))
            case ConversationItemDelete(item_id=item_id):
                self._delete(self._find(item_id))
                yield event("conversation.item.deleted", item_id=item_id)
            case ConversationItemTruncate(item_id=item_id, content_index=index, audio_end_ms=end):
                self._truncate(self._find(item_id), index, end)
                yield event("conversation.item.truncated", item_id=item_id, content_index=index, audio_end_ms=end)
            case _:
                raise Refused("invalid_value", f"Invalid value: '{made.type}' is not for this session.", "type")

    # The session

    def _update(self, change: Fields) -> Iterator[Outcome]:
        if change.get("type") not in (None, self.session["type"]):
            said = f"Passing a {change['type']} session update to a {self.session['type']} session is not allowed."
            raise Refused("invalid_value", said, "session.type")
        if self._transcribes and not set(change) <= {"type", "audio", "include"}:
            name = next(name for name in change if name not in {"type", "audio", "include"})
            raise Refused("unknown_parameter", f"Unknown parameter: 'session.{name}'.", f"session.{name}")
        if self._transcribes and "output" in (change.get("audio") or {}):
            raise Refused("unknown_parameter", "Unknown parameter: 'session.audio.output'.", "session.audio.output")
        check(change, "session", self._values)
        self._check_voice(change)
        before, rate = self.session["audio"]["input"], self.session.get("input_audio_sampling_rate")
        self.session = _merged(self.session, change)
        listening = self.session["audio"]["input"]
        listening["turn_detection"] = self._filled(listening["turn_detection"])
        if listening["transcription"] is not None:
            unset = _VOICE_LIVE_TRANSCRIPTION if self._voice_live else _TRANSCRIPTION
            listening["transcription"] = unset | listening["transcription"]
        changed = any(listening[name] != before[name] for name in ("format", "turn_detection"))
        if changed or rate != self.session.get("input_audio_sampling_rate"):
            self._listen()
        yield event("session.updated", session=self.session)

    def _check_voice(self, change: Fields) -> None:
        """Raises `Refused` for another voice than was heard already; that Voice Live minds is not known."""
        voice = ((change.get("audio") or {}).get("output") or {}).get("voice")
        if voice is None or self._voice_live or voice == self.session["audio"]["output"]["voice"]:
            return
        if self._was_heard or (self.answer is not None and self.answer.has_sound):
            said = "Cannot update a conversation's voice if assistant audio is present."
            raise Refused("cannot_update_voice", said)

    def _filled(self, detection: Fields | None) -> Fields | None:
        if detection is None:
            return None
        if detection["type"] == "semantic_vad":
            return _SEMANTIC_VAD | detection
        return (_VOICE_LIVE_VAD if self._voice_live else _SERVER_VAD) | detection

    def _listen(self) -> None:
        """Starts to listen with the session's settings."""
        settings = self.session["audio"]["input"]
        detection = settings["turn_detection"] or {}
        chosen = {name: detection[name] for name in ("threshold", "prefix_padding_ms") if name in detection}
        # The emulator has no semantics: it waits a little longer instead.
        silence = detection.get("silence_duration_ms", _PATIENCE_MS.get(detection.get("eagerness", "auto"), 500))
        pcm = settings["format"]["type"] == "audio/pcm"
        self._rate = self.session.get("input_audio_sampling_rate", RATE) if pcm else 8000
        self._turns = TurnDetector(self._rate, silence_duration_ms=silence, **chosen)
        self._half = b""  # the first byte of a sample whose second has not come
        self._buffer = bytearray()
        self._buffer_starts = 0  # in bytes of PCM from the first that this detector heard
        self._speech_item = new_id("item")
        self._speech_from_ms = 0
        self._answer_from_ms = 0
        self._quiet_from_ms: int | None = None  # since the last answer was heard, if nobody spoke after it

    # Hearing

    def _hear(self, audio: bytes) -> Iterator[Outcome]:
        pcm = _decoded(self._half + audio, self.session["audio"]["input"]["format"]["type"])
        self._half, pcm = pcm[len(pcm) & ~1 :], pcm[: len(pcm) & ~1]
        self._buffer += pcm
        detection = self.session["audio"]["input"]["turn_detection"]
        for change in self._turns.feed(pcm):
            if detection is None:
                continue
            match change:
                case SpeechStarted(at_ms=at):
                    self._speech_item, self._speech_from_ms, self._quiet_from_ms = new_id("item"), at, None
                    yield event("input_audio_buffer.speech_started", audio_start_ms=at, item_id=self._speech_item)
                    if detection["interrupt_response"] and self.answer is not None:
                        yield Cancel(self.answer, "turn_detected")
                case SpeechStopped(at_ms=at):
                    yield event("input_audio_buffer.speech_stopped", audio_end_ms=at, item_id=self._speech_item)
                    yield from self._commit(self._speech_item, self._taken(self._speech_from_ms, at))
                    if detection["create_response"] and self.answer is None and not self._transcribes:
                        yield from self._respond(None)
        if detection is not None:
            yield from self._prompt(detection.get("idle_timeout_ms"))
        if detection is not None and not self._turns.speaking:
            self._drop_before(len(self._buffer) - 2 * self._rate)  # silence: a second of it is enough for any padding

    def _prompt(self, timeout_ms: int | None) -> Iterator[Outcome]:
        """Where nobody has spoken for so long after an answer: the silence is a turn, and is answered.

        Time goes by the sound that is appended: who sends none is never prompted.
        """
        since, now = self._quiet_from_ms, self._turns.now_ms
        if timeout_ms is None or since is None or self.answer is not None or now < since + timeout_ms:
            return
        self._quiet_from_ms = None
        item_id = new_id("item")
        yield event("input_audio_buffer.timeout_triggered", audio_start_ms=since, audio_end_ms=now, item_id=item_id)
        yield from self._commit(item_id, self._taken(since, now))
        yield from self._respond(None)

    def _taken(self, from_ms: int, to_ms: int) -> bytes:
        start = max(0, from_ms * self._rate // 1000 * 2 - self._buffer_starts)
        end = to_ms * self._rate // 1000 * 2 - self._buffer_starts
        taken = bytes(self._buffer[start:end])
        self._drop_before(end)
        return taken

    def _drop_before(self, count: int) -> None:
        count = max(0, count) & ~1
        self._buffer_starts += min(count, len(self._buffer))
        del self._buffer[:count]

    def _forget(self) -> None:
        self._half = b""
        self._drop_before(len(self._buffer))
        self._turns.take_speech_seconds()

    def _commit_by_hand(self) -> Iterator[Outcome]:
        ms = len(self._buffer) / 2 / self._rate * 1000
        if ms < MIN_COMMIT_MS:
            raise Refused(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer "
                f"only has {ms:.2f}ms of audio.",
            )
        item_id = self._speech_item if self._turns.speaking else new_id("item")
        audio = bytes(self._buffer)
        self._drop_before(len(audio))
        yield from self._commit(item_id, audio)

    def _commit(self, item_id: str, pcm: bytes) -> Iterator[Outcome]:
        audio = resample(pcm, self._rate, RATE)
        self._heard[item_id] = (audio, self._turns.take_speech_seconds())
        item: Fields = {
            "id": item_id,
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        previous = self._last_id()
        yield event("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        yield from self._put(item, previous)
        if self.session["audio"]["input"]["transcription"] is not None:
            yield Transcribe(item_id, audio)

    # The conversation

    def _standing(self) -> list[Fields]:
        """The conversation as it was told: with what the answer under way has announced, where it will be."""
        answer = self.answer
        if answer is None:
            return self.items
        at = self._behind(answer.previous_item_id)
        return [*self.items[:at], *answer.conversation_items(), *self.items[at:]]

    def _behind(self, item_id: str | None) -> int:
        """The place behind the item *item_id*: the first if that is None, the last if it is no longer there."""
        if item_id is None:
            return 0
        return next((at + 1 for at, item in enumerate(self.items) if item["id"] == item_id), len(self.items))

    def _last_id(self) -> str | None:
        standing = self._standing()
        return standing[-1]["id"] if standing else None

    def _find(self, item_id: str) -> Fields:
        for item in self._standing():
            if item["id"] == item_id:
                return item
        raise Refused("invalid_value", f"Item with item_id '{item_id}' not found.", "item_id")

    def _put(self, item: Fields, previous: str | None) -> Iterator[Outcome]:
        """Puts *item* behind the item *previous*, which may be one that is still being said."""
        answer = self.answer
        made = [] if answer is None else answer.conversation_items()
        at = self._behind(previous)
        if answer is not None and any(each["id"] == previous for each in made):
            at = self._behind(answer.previous_item_id)
        self.items.insert(at, item)
        if answer is not None and made and answer.previous_item_id == previous:
            answer.previous_item_id = item["id"]  # it is between what was there and the answer
        yield event("conversation.item.added", previous_item_id=previous, item=item)
        yield event("conversation.item.done", previous_item_id=previous, item=item)

    def _delete(self, item: Fields) -> None:
        if item in self.items:
            self.items.remove(item)
        elif self.answer is not None:
            self.answer.deleted.add(item["id"])

    def _add(self, made: ConversationItemCreate) -> Iterator[Outcome]:
        check_item(made.item)
        item = made.item.model_dump(mode="json", exclude_unset=True)
        item = {"id": item.pop("id", None) or new_id("item"), **item}
        if any(known["id"] == item["id"] for known in self._standing()):
            raise Refused("invalid_value", f"Item with item_id '{item['id']}' already exists.", "item.id")
        if item["type"] == "message":
            item.setdefault("status", "completed")
        previous = self._last_id()
        if made.previous_item_id is not None:
            previous = None if made.previous_item_id == "root" else self._find(made.previous_item_id)["id"]
        if isinstance(made.item, Message):
            self._heard_in(item["id"], made.item)
            item["content"] = [_without_sound(part) for part in item.get("content", ())]
        yield from self._put(item, previous)

    def _heard_in(self, item_id: str, message: Message) -> None:
        """Keeps the sound that came with *message*; it counts as speech, for nobody sends silence in a message."""
        for part in message.content or ():
            if part.type == "input_audio" and part.audio is not None:
                self._heard[item_id] = (part.audio, duration(part.audio))

    def _truncate(self, item: Fields, index: int, end_ms: int) -> None:
        parts = item.get("content", [])
        spoken = item.get("role") == "assistant" and 0 <= index < len(parts) and parts[index]["type"] == "output_audio"
        if not spoken:
            raise Refused("invalid_value", "Only model output audio messages can be truncated", "item_id")
        saying = self.answer if self.answer is not None and item not in self.items else None
        length = round((saying.sound_ms(item["id"]) if saying else self._spoken_ms.get(item["id"])) or 0.0)
        if not 0 <= end_ms <= length:
            said = f"Audio content of {length}ms is already shorter than {end_ms}ms"
            if end_ms < 0:
                said = f"Invalid value for 'audio_end_ms': {end_ms} is not at least 0."
            raise Refused("invalid_value", said, "audio_end_ms")
        if saying is not None:
            saying.truncated_ms[item["id"]] = end_ms
            return
        self._spoken_ms[item["id"]] = end_ms
        parts[index].pop("transcript", None)

    # Answering

    def _respond(self, config: ResponseConfig | None, more: str | None = None) -> Iterator[Outcome]:
        """Answers as *config* says, with *more* instructions."""
        config = config or ResponseConfig()
        outside = config.conversation == "none"
        if self.answer is not None and not outside and (config.model_extra or {}).get("cancel_previous"):
            yield Cancel(self.answer, "client_cancelled")
        if self.answer is not None and not outside:
            raise Refused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.answer.id}. Wait until the response "
                "is finished before creating a new one.",
            )
        check(_dumped(config), "response", self._values)
        output = _merged(self.session["audio"]["output"], _dumped(config.audio and config.audio.output))
        form = output["format"]
        turn = self._turn(config, self._standing() if config.input is None else self._input(config.input))
        if more:
            turn = replace(turn, instructions=f"{turn.instructions}\n\n{more}")
        answer = Answer(
            spoken="audio" in (config.output_modalities or self.session["output_modalities"]),
            audio_output={"format": form, "voice": output["voice"]},
            conversation_id=None if outside else self._conversation_id,
            input_tokens={
                "text_tokens": len(turn.text.split()),
                "audio_tokens": round(duration(turn.audio) * 10),
            },
            metadata=config.metadata,
            bytes_per_second=2 * (form.get("rate") or RATE) if form["type"] == "audio/pcm" else 8000,
            max_output_tokens=config.max_output_tokens or self.session["max_output_tokens"],
            previous_item_id=None if outside else self._last_id(),
        )
        self.answers[answer.id] = answer
        self._answer_from_ms = self._turns.now_ms
        yield answer.created()
        if self._rate_limits:
            yield self._limits()
        yield Respond(turn, answer)

    def _limits(self) -> Fields:
        """What is left of a minute's requests, and of its tokens."""
        self._requests += 1
        left = (
            ("requests", 1000, max(0, 1000 - self._requests)),
            ("tokens", 100_000, max(0, 100_000 - 500 * self._requests)),
        )
        limits = [{"name": n, "limit": most, "remaining": rest, "reset_seconds": 60.0} for n, most, rest in left]
        return event("rate_limits.updated", rate_limits=limits)

    def _input(self, items: list[Item]) -> list[Fields]:
        """What a response is to answer instead of the conversation; references are to items of that."""
        found: list[Fields] = []
        for item in items:
            if isinstance(item, ItemReference):
                found.append(self._find(item.id or ""))
                continue
            check_item(item)
            said = item.model_dump(mode="json", exclude_unset=True)
            said["id"] = said.get("id") or new_id("item")
            if isinstance(item, Message):
                self._heard_in(said["id"], item)
            found.append(said)
        return found

    def _turn(self, config: ResponseConfig, items: list[Fields]) -> Turn:
        """All that the user said and wrote, and functions gave back, since the assistant last said something."""
        texts: list[str] = []
        results: Fields = {}
        audio, speech = b"", 0.0
        for item in reversed(items):
            if item.get("role") == "assistant" or item["type"] == "function_call":
                break
            if item.get("role") == "user":  # not what is said to the model
                texts[:0] = [part["text"] for part in item["content"] if part["type"] == "input_text"]
            if item["type"] == "function_call_output":
                results = {item["call_id"]: item["output"], **results}
            sound, seconds = self._heard.get(item["id"], (b"", 0.0))
            audio, speech = sound + audio, speech + seconds
        tools = self.session["tools"] if config.tools is None else _dumped(config)["tools"]
        return Turn(
            text=" ".join(texts),
            audio=audio,
            speech_seconds=speech,
            instructions=config.instructions or self.session["instructions"],
            deployment=self.session["model"],
            tools=tuple(tools),
            results=results,
        )

    def finish(self, answer: Answer, status: str = "completed", details: Fields | None = None) -> Iterator[Fields]:
        """Ends *answer*, if it is under way, as *status*; its items are in the conversation from now on."""
        if self.answers.get(answer.id) is not answer:
            return
        if answer.conversation_id is not None:
            # Where it was announced: what the user said meanwhile stands behind it, and is for the next answer.
            at = self._behind(answer.previous_item_id)
            made = answer.conversation_items(status)
            for item in self.items[:at] if made else ():
                self._heard.pop(item["id"], None)  # answered
            self.items[at:at] = made
            heard = {spoken.id: answer.sound_ms(spoken.id) or 0.0 for spoken in answer.spoken_items}
            self._spoken_ms |= heard
            self._was_heard = self._was_heard or answer.has_sound
            self._quiet_from_ms = max(self._turns.now_ms, self._answer_from_ms + round(sum(heard.values())))
        del self.answers[answer.id]
        yield from answer.done(status, details)


def _defaults(deployment: str, expires_at: int, *, transcription: bool, voice_live: bool) -> Fields:
    """A session of which nothing has been said."""
    listening: Fields = {
        "format": _PCM,
        "transcription": _TRANSCRIPTION if transcription else None,
        "noise_reduction": None,
        "turn_detection": _VOICE_LIVE_VAD | _SERVER_VAD if voice_live else _SERVER_VAD,
    }
    common: Fields = {
        "id": new_id("sess"),
        "expires_at": expires_at,
        "include": None,
        "emulator": f"realtime_azure {__version__}",
    }
    if transcription:
        own = {"type": "transcription", "object": "realtime.transcription_session"}
        return {**own, **common, "audio": {"input": listening}}
    return {
        "type": "realtime",
        "object": "realtime.session",
        **common,
        "model": deployment,
        "output_modalities": ["audio"],
        "instructions": INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "audio": {"input": listening, "output": {"format": _PCM, "voice": "emulator", "speed": 1.0}},
    }


def encoded(pcm: bytes, audio_format: str, rate: int | None = None) -> bytes:
    """24 kHz PCM16 in a session's output format, which has a *rate* if it is PCM."""
    if audio_format == "audio/pcm":
        return resample(pcm, RATE, rate or RATE)
    narrow = resample(pcm, RATE, 8000)
    return g711.encode_ulaw(narrow) if audio_format == "audio/pcmu" else g711.encode_alaw(narrow)


def _decoded(audio: bytes, audio_format: str) -> bytes:
    if audio_format == "audio/pcm":
        return audio
    return g711.decode_ulaw(audio) if audio_format == "audio/pcmu" else g711.decode_alaw(audio)


def _merged(old: Fields, change: Fields) -> Fields:
    """*change* over *old*; objects that say how to do one thing (a format, a detection) are replaced whole."""
    merged = dict(old)
    for name, value in change.items():
        inside = name in ("audio", "input", "output") and isinstance(value, dict)
        merged[name] = _merged(old[name], value) if inside else value
    return merged


def _dumped(part: Any) -> Fields:
    return part.model_dump(mode="json", exclude_none=True) if part else {}


def _without_sound(part: Fields) -> Fields:
    return {"transcript": None, **{k: v for k, v in part.items() if k != "audio"}} if "audio" in part else part
