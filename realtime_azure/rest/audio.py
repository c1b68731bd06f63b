"""Audio over HTTP: a text spoken, a recording written down or translated into English.

Source: the specification of Azure OpenAI's inference (2024-10-21, 2025-04-01-preview, v1).
"""

from collections.abc import Mapping
from typing import Any, Literal, Unpack, overload

from ..events._base import Part
from .call import Caller, CallOptions, Verb, given
from .chat import TokenLogprob
from .result import Result, Usage
from .stream import Sound, Stream
from .upload import File

Voice = Literal["alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse"] | str
SpeechFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | str
TextFormat = Literal["text", "srt", "vtt"]
JsonFormat = Literal["json", "verbose_json", "diarized_json"]


class Word(Part):
    """A word, from *start* to *end* in seconds."""

    word: str | None = None
    start: float | None = None
    end: float | None = None


class Segment(Part):
    """A stretch of the recording, from *start* to *end* in seconds; *speaker* is who talks, where that was asked."""

    id: int | str | None = None
    type: str | None = None
    text: str | None = None
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    seek: int | None = None
    tokens: list[int] | None = None
    temperature: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None


class Transcription(Result):
    """What was said; with `verbose_json`, when, too. *duration* is in seconds."""

    text: str = ""
    task: str | None = None
    language: str | None = None
    duration: float | None = None
    words: list[Word] | None = None
    segments: list[Segment] | None = None
    logprobs: list[TokenLogprob] | None = None
    usage: Usage | None = None


class Translation(Transcription):
    """What was said, in English."""


class TranscriptionEvent(Part):
    """A piece of a transcription: `….delta` adds *delta*, `….segment` is one, `….done` has all the *text*."""

    type: Literal["transcript.text.delta", "transcript.text.segment", "transcript.text.done"] | str | None = None
    delta: str | None = None
    text: str | None = None
    segment_id: str | None = None
    id: str | None = None
    speaker: str | None = None
    start: float | None = None
    end: float | None = None
    logprobs: list[TokenLogprob] | None = None
    usage: Usage | None = None


class SpeechOptions(CallOptions, total=False):
    """What speech may be told; *speed* is from 0.25 to 4."""

    instructions: str
    speed: float


class TranscriptionOptions(CallOptions, total=False):
    """What a transcription may be told; the words are the service's. *language* is ISO 639-1."""

    chunking_strategy: str | Mapping[str, Any] | None
    include: list[str]
    keywords: list[str]
    known_speaker_names: list[str]
    known_speaker_references: list[str]
    language: str
    languages: list[str]
    prompt: str
    temperature: float
    timestamp_granularities: list[Literal["word", "segment"]]


class TranslationOptions(CallOptions, total=False):
    """What a translation may be told; the words are the service's."""

    prompt: str
    temperature: float


_SPEECH = Verb("audio/speech", SpeechOptions, deployed=True, has_model=True)
_TRANSCRIPTIONS = Verb("audio/transcriptions", TranscriptionOptions, deployed=True, has_model=True)
_TRANSLATIONS = Verb("audio/translations", TranslationOptions, deployed=True, has_model=True)
_TEXTS = ("text", "srt", "vtt")


class Speech:
    """`client.audio.speech`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @overload
    async def create(
        self,
        *,
        input: str,
        voice: Voice,
        model: str | None = None,
        response_format: SpeechFormat | None = None,
        stream: Literal[False] = False,
        **options: Unpack[SpeechOptions],
    ) -> bytes: ...
    @overload
    async def create(
        self,
        *,
        input: str,
        voice: Voice,
        model: str | None = None,
        response_format: SpeechFormat | None = None,
        stream: Literal[True],
        **options: Unpack[SpeechOptions],
    ) -> Sound: ...
    async def create(
        self,
        *,
        input: str,  # noqa: A002 - the service's word
        voice: Voice,
        model: str | None = None,
        response_format: SpeechFormat | None = None,
        stream: bool = False,
        **options: Unpack[SpeechOptions],
    ) -> bytes | Sound:
        """*input* spoken with *voice*, in *response_format*: `mp3` unless said, `pcm` is PCM16 mono at 24 kHz.

        All of it, or, with *stream*, a `Sound` that comes piece by piece, for a player or a file (`write_to`).
        Raises `ConnectError`, of which `StatusError` is what the service refuses with.
        """
        body = given(input=input, voice=voice, model=model, response_format=response_format)
        if stream:
            return await self._caller.sound(_SPEECH, options, body=body, headers=_ANYTHING)
        return await self._caller.result(_SPEECH, bytes, options, body=body, headers=_ANYTHING)


_ANYTHING = {"accept": "application/octet-stream"}


class Transcriptions:
    """`client.audio.transcriptions`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @overload
    async def create(
        self,
        *,
        file: File,
        model: str | None = None,
        response_format: JsonFormat | None = None,
        stream: Literal[False] | None = None,
        **options: Unpack[TranscriptionOptions],
    ) -> Transcription: ...
    @overload
    async def create(
        self,
        *,
        file: File,
        model: str | None = None,
        response_format: TextFormat,
        stream: Literal[False] | None = None,
        **options: Unpack[TranscriptionOptions],
    ) -> str: ...
    @overload
    async def create(
        self,
        *,
        file: File,
        model: str | None = None,
        response_format: JsonFormat | TextFormat | None = None,
        stream: Literal[True],
        **options: Unpack[TranscriptionOptions],
    ) -> Stream[TranscriptionEvent]: ...
    async def create(
        self,
        *,
        file: File,
        model: str | None = None,
        response_format: JsonFormat | TextFormat | None = None,
        stream: bool | None = None,
        **options: Unpack[TranscriptionOptions],
    ) -> Transcription | str | Stream[TranscriptionEvent]:
        """What is said in *file*: a path, bytes, a file open for reading, or a tuple of name and one of these.

        A `Transcription`, or a `str` where *response_format* is `text`, `srt` or `vtt`; with *stream*, its events as
        they come (of `whisper`, which does not stream, the last alone). Raises `OSError` for the file, and
        `ConnectError`, of which `StatusError` is what the service refuses with. An open file that cannot be rewound is
        sent once, without another attempt.
        """
        form, files = given(model=model, response_format=response_format, stream=stream), [("file", file)]
        if stream:
            return await self._caller.events(
                _TRANSCRIPTIONS,
                TranscriptionEvent,
                options,
                is_last=_is_all,
                whole="transcript.text.done",
                form=form,
                files=files,
            )
        kind: type[Any] = str if response_format in _TEXTS else Transcription
        transcription: Transcription | str
        transcription = await self._caller.result(_TRANSCRIPTIONS, kind, options, form=form, files=files)
        return transcription


def _is_all(event: TranscriptionEvent) -> bool:
    return event.type == "transcript.text.done"


class Translations:
    """`client.audio.translations`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @overload
    async def create(
        self,
        *,
        file: File,
        model: str | None = None,
        response_format: JsonFormat | None = None,
        **options: Unpack[TranslationOptions],
    ) -> Translation: ...
    @overload
    async def create(
        self,
        *,
        file: File,
        model: str | None = None,
        response_format: TextFormat,
        **options: Unpack[TranslationOptions],
    ) -> str: ...
    async def create(
        self,
        *,
        file: File,
        model: str | None = None,
        response_format: JsonFormat | TextFormat | None = None,
        **options: Unpack[TranslationOptions],
    ) -> Translation | str:
        """What is said in *file*, in English. As `transcriptions.create`, without a stream."""
        form = given(model=model, response_format=response_format)
        kind: type[Any] = str if response_format in _TEXTS else Translation
        translation: Translation | str
        translation = await self._caller.result(_TRANSLATIONS, kind, options, form=form, files=[("file", file)])
        return translation


class Audio:
    """`client.audio`."""

    def __init__(self, caller: Caller) -> None:
        self.speech = Speech(caller)
        self.transcriptions = Transcriptions(caller)
        self.translations = Translations(caller)
