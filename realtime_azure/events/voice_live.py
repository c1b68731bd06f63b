"""What only Azure Voice Live has: its flat sessions, and the events that the realtime protocol does not know.

Voice Live (`wss://HOST/voice-live/realtime`) speaks the realtime protocol under its older names, with more of its own:
Azure's voices, turn detection and clean-up of sound, avatars, animation. What both have decodes to the classes of
`realtime_azure.events`; a session, to `VoiceLiveSession`, with a GA view (`ga`). What is sent may be in GA's words,
which are translated, or, for the settings of a session and of a response, in Voice Live's own: `VoiceLiveConfig` and
`VoiceLiveResponseConfig`, or dicts of the same shape.

This module is imported by name, by a connection to Voice Live, and by the first message that only Voice Live sends:
importing it costs a twentieth of what the whole package does, and most programs never meet it.

Source: the Voice Live reference, and the types of Microsoft's own client (azure-ai-voicelive 1.3, service 2026-07-15).

Fields that several classes have: those of `server` and `settings`, under the same names; *sequence_number* counts the
events of a search, *turn_id* is a turn's. *voice* is a `Voice` or, of OpenAI's, its name; *output_audio_format* a
word (`pcm16`, `pcm16_8000hz`, `g711_ulaw`); *temperature* 0.6 to 1.2; *max_response_output_tokens* (of a response,
*max_output_tokens*) a number or `inf`; *reasoning_effort* `none` to `xhigh`. *interim_response* is what is said while
an answer takes its time, *input_audio_echo_cancellation* takes the assistant's own voice out of what is heard.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from ._base import Audio, Event, Part
from .client import ResponseCreate, SessionUpdate
from .parts import Item, Message, Session, session_of
from .settings import AnyToolChoice, MaxOutputTokens, Tool, Transcription

# Settings


class Voice(Part):
    """A voice: of OpenAI's, or of Azure's, with how it speaks.

    *name* is for all kinds but `avatar-voice-sync`; *endpoint_id* for `azure-custom`; *model* for `azure-personal` and
    `avatar-voice-sync`. *temperature* is 0 to 1; *pitch*, *rate* and *volume* are SSML's (`"+10%"`).

    *custom_lexicon_url* and *custom_text_normalization_url* say how words are spoken; *locale* and *prefer_locales*
    (`en-GB`) which accent, *style* which manner.
    """

    type: (
        Literal[
            "openai", "azure-standard", "azure-custom", "azure-personal", "avatar-voice-sync", "azure-realtime-native"
        ]
        | str
    )
    name: str | None = None
    endpoint_id: str | None = None
    model: str | None = None
    temperature: float | None = None
    custom_lexicon_url: str | None = None
    custom_text_normalization_url: str | None = None
    prefer_locales: list[str] | None = None
    locale: str | None = None
    style: str | None = None
    pitch: str | None = None
    rate: str | None = None
    volume: str | None = None


class EndOfUtterance(Part):
    """A model that listens to the words for their end; *timeout_ms* is how long it may hold a turn open.

    *threshold_level* is `low`, `medium`, `high` or `default`: how sure it has to be.
    """

    model: (
        Literal["semantic_detection_v1", "semantic_detection_v1_en", "semantic_detection_v1_multilingual"] | str | None
    ) = None
    threshold_level: Literal["low", "medium", "high", "default"] | str | None = None
    timeout_ms: int | None = None


class VoiceLiveTurnDetection(Part):
    """How the end of the user's turn is found: by silence, by GPT's own model, or by Azure's.

    *threshold* is 0 to 1, *speech_duration_ms* how much speech begins a turn. *remove_filler_words* lets "uhm" not
    interrupt; *auto_truncate* cuts what was not heard out of the conversation, and puts
    *appended_text_after_truncation* there.

    *prefix_padding_ms*, *silence_duration_ms*, *idle_timeout_ms*, *eagerness*, *create_response* and
    *interrupt_response* are as in GA; *end_of_utterance_detection* and *languages* help to tell a pause from an
    end.
    """

    type: (
        Literal[
            "server_vad",
            "semantic_vad",
            "azure_semantic_vad",
            "azure_semantic_vad_en",
            "azure_semantic_vad_multilingual",
        ]
        | str
    )
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    speech_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    end_of_utterance_detection: EndOfUtterance | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | str | None = None
    remove_filler_words: bool | None = None
    languages: list[str] | None = None
    auto_truncate: bool | None = None
    appended_text_after_truncation: str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class VoiceLiveNoiseReduction(Part):
    """Azure's own, or OpenAI's for a headset (`near_field`) or a room (`far_field`)."""

    type: Literal["azure_deep_noise_suppression", "near_field", "far_field"] | str


class EchoCancellation(Part):
    """Takes out of what comes in what the assistant says; *reference_source* says who knows what that was.

    *channels* is how many channels the reference sound has.
    """

    type: Literal["server_echo_cancellation"] | str
    reference_source: Literal["server", "client"] | str | None = None
    channels: int | None = None


class VoiceLiveTranscription(Transcription):
    """*model* is one of OpenAI's, `mai-transcribe-1` or `azure-speech`; *custom_speech* is a model by language.

    *phrase_list* are phrases that are likely.
    """

    custom_speech: dict[str, str] | None = None
    phrase_list: list[str] | None = None


class Animation(Part):
    """What moves a face: *outputs* are `blendshapes` and `viseme_id`.

    *model_name* is the model of the face.
    """

    model_name: str | None = None
    outputs: list[Literal["blendshapes", "viseme_id"] | str] | None = None


class IceServer(Part):
    """A server that helps the avatar's video through a firewall.

    *urls* are where it is; *username* and *credential* sign in there.
    """

    urls: list[str] | None = None
    username: str | None = None
    credential: str | None = Field(default=None, repr=False)


class VideoCrop(Part):
    """The part of the picture that is shown, in pixels: *[x, y]* of two corners.

    *top_left* and *bottom_right* are corners, in pixels.
    """

    top_left: list[int] | None = None
    bottom_right: list[int] | None = None


class VideoResolution(Part):
    """In pixels.

    *width* and *height* are in pixels.
    """

    width: int | None = None
    height: int | None = None


class VideoBackground(Part):
    """Behind the avatar: a *color* (`"#RRGGBBAA"`) or a picture.

    *image_url* is a picture instead of a colour.
    """

    color: str | None = None
    image_url: str | None = None


class AvatarVideo(Part):
    """How the video is made; *bitrate* is in bits per second, *gop_size* in frames.

    *codec* is `h264`; *crop*, *resolution* and *background* what is shown.
    """

    bitrate: int | None = None
    codec: Literal["h264"] | str | None = None
    crop: VideoCrop | None = None
    resolution: VideoResolution | None = None
    background: VideoBackground | None = None
    gop_size: int | None = None


class AvatarScene(Part):
    """Where a photo avatar is: *zoom* and *amplitude* are shares of 1, rotations are in radians.

    *position_x* and *position_y* move it, *rotation_x*, *rotation_y* and *rotation_z* turn it; the units are in the
    avatar's own documentation.
    """

    zoom: float | None = None
    position_x: float | None = None
    position_y: float | None = None
    rotation_x: float | None = None
    rotation_y: float | None = None
    rotation_z: float | None = None
    amplitude: float | None = None


class Avatar(Part):
    """A face for the voice: a *character*, of Azure's or *customized*.

    *ice_servers* are for WebRTC; *style* and *model* which figure, *video* and *scene* how it is shown,
    *output_protocol* how it comes (`webrtc`, `websocket`), *output_audit_audio* whether its sound comes on the
    websocket, too.
    """

    type: Literal["video-avatar", "photo-avatar"] | str | None = None
    ice_servers: list[IceServer] | None = None
    character: str | None = None
    style: str | None = None
    model: str | None = None
    customized: bool | None = None
    video: AvatarVideo | None = None
    scene: AvatarScene | None = None
    output_protocol: Literal["webrtc", "websocket"] | str | None = None
    output_audit_audio: bool | None = None


class InterimResponse(Part):
    """What is said while the answer takes its time: one of *texts*, or what a model makes up by *instructions*.

    *triggers* are what brings one out (`latency`, `tool`), *latency_threshold_ms* after how many milliseconds,
    *max_completion_tokens* how long it may be.
    """

    type: Literal["static_interim_response", "llm_interim_response"] | str
    triggers: list[Literal["latency", "tool"] | str] | None = None
    latency_threshold_ms: int | None = None
    texts: list[str] | None = None
    model: str | None = None
    instructions: str | None = None
    max_completion_tokens: int | None = None


class Agent(Part):
    """The Foundry agent that answers.

    *name*, *description*, *agent_id* and *thread_id* are those of the agent that answers.
    """

    type: Literal["agent"] | str | None = None
    name: str | None = None
    description: str | None = None
    agent_id: str | None = None
    thread_id: str | None = None


VoiceLiveModality = Literal["text", "audio", "animation", "avatar"] | str
OutputFormat = Literal["pcm16", "pcm16_8000hz", "pcm16_16000hz", "g711_ulaw", "g711_alaw"] | str


class VoiceLiveConfig(Part):
    """What `session.update` may set, in Voice Live's own words.

    *input_audio_format* `pcm16` is mono at *input_audio_sampling_rate* (8000, 16000, 24000 Hz; 24000 by default);
    *output_audio_format* `pcm16` is 24 kHz. *modalities* may have `animation` and `avatar`, too. *temperature* is 0 to
    1; *output_audio_timestamp_types* `["word"]` asks for `ResponseAudioTimestampDelta`.
    """

    model: str | None = None
    modalities: list[VoiceLiveModality] | None = None
    animation: Animation | None = None
    voice: str | Voice | None = None
    instructions: str | None = None
    input_audio_sampling_rate: int | None = None
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | str | None = None
    output_audio_format: OutputFormat | None = None
    turn_detection: VoiceLiveTurnDetection | None = None
    input_audio_noise_reduction: VoiceLiveNoiseReduction | None = None
    input_audio_echo_cancellation: EchoCancellation | None = None
    avatar: Avatar | None = None
    input_audio_transcription: VoiceLiveTranscription | None = None
    output_audio_timestamp_types: list[Literal["word"] | str] | None = None
    tools: list[Tool] | None = None
    tool_choice: AnyToolChoice | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    max_response_output_tokens: MaxOutputTokens | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | str | None = None
    interim_response: InterimResponse | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None


class VoiceLiveSession(VoiceLiveConfig):
    """A session as Voice Live reports it. *expires_at* is in seconds since 1970. `ga` is the same in GA's words.

    *agent* is who answers in its place; *truncation_strategy* how the conversation is shortened.
    """

    id: str | None = None
    object: str | None = None
    expires_at: int | None = None
    agent: Agent | None = None
    truncation_strategy: Any = None

    @property
    def ga(self) -> Session:
        """This session in GA's words, without what GA has no word for."""
        return session_of(self, "voice-live")


class VoiceLiveResponseConfig(Part):
    """What `response.create` may set for one response, in Voice Live's own words.

    *commit* False answers outside the conversation; *input_items* replaces its items for this response,
    *append_input_items* adds to them. *pre_generated_assistant_message* is said as it is.

    *cancel_previous* ends the one under way, *invoke_input* is for the agent that is invoked. *modalities* are as
    of the session.
    """

    commit: bool | None = None
    cancel_previous: bool | None = None
    append_input_items: list[Item] | None = None
    input_items: list[Item] | None = None
    modalities: list[VoiceLiveModality] | None = None
    instructions: str | None = None
    voice: str | Voice | None = None
    output_audio_format: OutputFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: AnyToolChoice | None = None
    temperature: float | None = None
    max_output_tokens: MaxOutputTokens | None = None
    pre_generated_assistant_message: Message | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | str | None = None
    metadata: dict[str, str] | None = None
    interim_response: InterimResponse | None = None
    invoke_input: dict[str, Any] | None = None


# Events that are received


class _ServerEvent(Event):
    event_id: str | None = None


class ServiceWarning(Part):
    """A warning in the service's words.

    *message* is for people, *code* short, *param* the path of the field.
    """

    message: str | None = None
    code: str | None = None
    param: str | None = None


class WarningEvent(_ServerEvent):
    """Something is not as it should be; the session goes on.

    *warning* says what it is about.
    """

    type: Literal["warning"]
    warning: ServiceWarning | None = None


class SessionAvatarConnecting(_ServerEvent):
    """The service's part of the handshake of the avatar's video; *server_sdp* is base64 of JSON."""

    type: Literal["session.avatar.connecting"]
    server_sdp: str | None = Field(default=None, repr=False)


class SessionAvatarSwitchToSpeaking(_ServerEvent):
    """The avatar begins to speak."""

    type: Literal["session.avatar.switch_to_speaking"]
    turn_id: str | None = None


class SessionAvatarSwitchToIdle(_ServerEvent):
    """The avatar has stopped speaking."""

    type: Literal["session.avatar.switch_to_idle"]
    turn_id: str | None = None


class _OfItem(_ServerEvent):
    response_id: str = ""
    item_id: str = ""
    output_index: int = 0


class _OfContent(_OfItem):
    content_index: int = 0


class ResponseAudioTimestampDelta(_OfContent):
    """A word, and when it is said: from *audio_offset_ms*, for *audio_duration_ms*.

    *text* is the word, *timestamp_type* `word`.
    """

    type: Literal["response.audio_timestamp.delta"]
    audio_offset_ms: int | None = None
    audio_duration_ms: int | None = None
    text: str | None = None
    timestamp_type: Literal["word"] | str | None = None


class ResponseAudioTimestampDone(_OfContent):
    """There are no more words."""

    type: Literal["response.audio_timestamp.done"]


class ResponseAnimationBlendshapesDelta(_OfContent):
    """Frames of a face, from the one numbered *frame_index* on: a list of weights each.

    *frames* are rows of weights, one for each frame.
    """

    type: Literal["response.animation_blendshapes.delta"]
    frames: list[list[float]] | str | None = None
    frame_index: int | None = None


class ResponseAnimationBlendshapesDone(_OfItem):
    """There are no more frames."""

    type: Literal["response.animation_blendshapes.done"]


class ResponseAnimationVisemeDelta(_OfContent):
    """The shape of a mouth (*viseme_id*), *audio_offset_ms* into the sound."""

    type: Literal["response.animation_viseme.delta"]
    audio_offset_ms: int | None = None
    viseme_id: int | None = None


class ResponseAnimationVisemeDone(_OfContent):
    """There are no more shapes."""

    type: Literal["response.animation_viseme.done"]


class ResponseVideoDelta(_ServerEvent):
    """A piece of the avatar's video, as bytes of *codec*."""

    type: Literal["response.video.delta"]
    output_index: int = 0
    codec: str | None = None
    delta: Audio


class ResponseAudioTranscriptAnnotationAdded(_OfContent):
    """Where something that is said comes from.

    *annotation* is number *annotation_index* of the part.
    """

    type: Literal["response.audio_transcript.annotation.added"]
    annotation_index: int | None = None
    annotation: Any = None


class _Search(_OfItem):
    sequence_number: int | None = None


class ResponseWebSearchCallInProgress(_Search):
    """A search of the web begins."""

    type: Literal["response.web_search_call.in_progress"]


class ResponseWebSearchCallSearching(_Search):
    """The web is being searched."""

    type: Literal["response.web_search_call.searching"]


class ResponseWebSearchCallCompleted(_Search):
    """A search of the web is done."""

    type: Literal["response.web_search_call.completed"]


class ResponseFileSearchCallInProgress(_Search):
    """A search of files begins."""

    type: Literal["response.file_search_call.in_progress"]


class ResponseFileSearchCallSearching(_Search):
    """Files are being searched."""

    type: Literal["response.file_search_call.searching"]


class ResponseFileSearchCallCompleted(_Search):
    """A search of files is done."""

    type: Literal["response.file_search_call.completed"]


class ResponseInvocationDelta(_ServerEvent):
    """A piece of what a hosted agent gives back."""

    type: Literal["response.invocation.delta"]
    delta: dict[str, Any]


VoiceLiveServerEvent = (
    WarningEvent
    | SessionAvatarConnecting
    | SessionAvatarSwitchToSpeaking
    | SessionAvatarSwitchToIdle
    | ResponseAudioTimestampDelta
    | ResponseAudioTimestampDone
    | ResponseAnimationBlendshapesDelta
    | ResponseAnimationBlendshapesDone
    | ResponseAnimationVisemeDelta
    | ResponseAnimationVisemeDone
    | ResponseVideoDelta
    | ResponseAudioTranscriptAnnotationAdded
    | ResponseWebSearchCallInProgress
    | ResponseWebSearchCallSearching
    | ResponseWebSearchCallCompleted
    | ResponseFileSearchCallInProgress
    | ResponseFileSearchCallSearching
    | ResponseFileSearchCallCompleted
    | ResponseInvocationDelta
)
TaggedVoiceLiveServerEvent = Annotated[VoiceLiveServerEvent, Field(discriminator="type")]


# Events that are sent


class _ClientEvent(Event):
    event_id: str | None = None


class VoiceLiveSessionUpdate(SessionUpdate):
    """`SessionUpdate` in Voice Live's own words."""

    session: VoiceLiveConfig  # type: ignore[assignment]  # the wire's type is the same; the words are another dialect's


class VoiceLiveResponseCreate(ResponseCreate):
    """`ResponseCreate` in Voice Live's own words.

    *additional_instructions* are added to the session's, for this one.
    """

    response: VoiceLiveResponseConfig | None = None  # type: ignore[assignment]  # as above
    additional_instructions: str | None = None


class InputTextDelta(_ClientEvent):
    """A piece of the user's text, of the item *id*, which is written while it is sent."""

    type: Literal["input_text.delta"] = "input_text.delta"
    id: str
    delta: str
    content_index: int | None = None


class InputTextDone(_ClientEvent):
    """The text of the item *id* is complete."""

    type: Literal["input_text.done"] = "input_text.done"
    id: str
    content_index: int | None = None


class InputAudioTurnStart(_ClientEvent):
    """The user begins to speak, by the client's own judgement; *turn_id* is the client's, too."""

    type: Literal["input_audio.turn.start"] = "input_audio.turn.start"
    turn_id: str


class InputAudioTurnAppend(_ClientEvent):
    """Sound of a turn, as bytes."""

    type: Literal["input_audio.turn.append"] = "input_audio.turn.append"
    turn_id: str
    audio: Audio


class InputAudioTurnEnd(_ClientEvent):
    """The user has spoken."""

    type: Literal["input_audio.turn.end"] = "input_audio.turn.end"
    turn_id: str


class InputAudioTurnCancel(_ClientEvent):
    """Forgets a turn that was begun."""

    type: Literal["input_audio.turn.cancel"] = "input_audio.turn.cancel"
    turn_id: str


class InputAudioClear(_ClientEvent):
    """Forgets all sound that is under way."""

    type: Literal["input_audio.clear"] = "input_audio.clear"


class SessionAvatarConnect(_ClientEvent):
    """The client's part of the handshake of the avatar's video; *client_sdp* is base64 of JSON."""

    type: Literal["session.avatar.connect"] = "session.avatar.connect"
    client_sdp: str = Field(repr=False)


VoiceLiveClientEvent = (
    VoiceLiveSessionUpdate
    | VoiceLiveResponseCreate
    | InputTextDelta
    | InputTextDone
    | InputAudioTurnStart
    | InputAudioTurnAppend
    | InputAudioTurnEnd
    | InputAudioTurnCancel
    | InputAudioClear
    | SessionAvatarConnect
)
TaggedVoiceLiveClientEvent = Annotated[VoiceLiveClientEvent, Field(discriminator="type")]
