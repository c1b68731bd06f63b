"""What a session and a response can be told: audio, turns, tools, and how the model is to behave.

One class serves both directions. Reading is tolerant: a set of names is open, and what the service has been seen to
leave out is optional. Writing is checked by `wire.checked`: a field has to be here, and where the values of one are
listed they are all there are, but for deployments, models and voices. Field names and values are the service's own (GA
vocabulary); a dated connection is translated in `preview`.

Sources: the realtime reference of OpenAI and Azure's preview-to-GA migration guide; for *reasoning*, Azure's page on
the gpt-realtime-2 models.

Fields that several classes have. *instructions* are the system message, *tools* what may be called and *tool_choice*
whether it has to be (`auto`, `none`, `required`, or one by name), *parallel_tool_calls* whether several may be at
once. *model* is the deployment's name (Azure) or the model's. *prompt* is a stored prompt, *reasoning* how long to
think, *tracing* how the session is traced (`auto`, or a `Tracing`). *turn_detection*, *noise_reduction* and
*transcription* (flat: `input_audio_…`) are for the user's sound; null turns them off. *include* names what events
should hold besides (`item.input_audio_transcription.logprobs`). *metadata* is up to 16 pairs of the caller's own,
which come back.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ._base import OTHER, Part, item_tag, tag_by_type

Modality = Literal["text", "audio"] | str


class AudioFormat(Part):
    """`audio/pcm` is PCM16 mono little-endian at *rate* 24000 Hz; `audio/pcmu` and `audio/pcma` are G.711 at 8 kHz."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] | str
    rate: int | None = None


class NoiseReduction(Part):
    """`near_field` for a headset, `far_field` for a laptop or a room.

    *strength* is Azure's, without a documented unit.
    """

    type: Literal["near_field", "far_field"] | str
    strength: float | None = None


class Transcription(Part):
    """How what the user says is written down, beside the conversation.

    On Azure *model* is a deployment. *language* is ISO 639-1 (`"en"`), *languages* several of them; *prompt* and
    *keywords* help with names; *delay* trades speed for quality.
    """

    model: str | None = None
    language: str | None = None
    languages: list[str] | None = None
    prompt: str | None = None
    keywords: list[str] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | str | None = None


class TurnDetection(Part):
    """How the end of the user's turn is found.

    `server_vad` listens for silence: *threshold* (0 to 1) is how loud speech is, *prefix_padding_ms* how much is
    kept before it, *silence_duration_ms* how long a pause ends it, *idle_timeout_ms* when to speak unasked.
    `semantic_vad` listens to the words, with an *eagerness*. Either answers by itself (*create_response*)
    and stops speaking when the user speaks (*interrupt_response*) unless told not to.
    """

    type: Literal["server_vad", "semantic_vad"] | str
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class AudioInput(Part):
    """What comes in: its *format*, how it is cleaned, written down, and cut into turns (None: by hand)."""

    format: AudioFormat | None = None
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None


class CustomVoice(Part):
    """A voice of one's own, by its *id*."""

    id: str | None = None


class AudioOutput(Part):
    """*voice* is an open set of names; *speed* is 0.25 to 1.5; *language* (ISO 639-1) is what a translation is into.

    *format* is that of the sound that comes.
    """

    format: AudioFormat | None = None
    voice: str | CustomVoice | None = None
    speed: float | None = None
    language: str | None = None


class SessionAudio(Part):
    """Both directions of a session's sound.

    *input* is what the user says, *output* what the model does.
    """

    input: AudioInput | None = None
    output: AudioOutput | None = None


class FunctionTool(Part):
    """A function that the model may call; *parameters* is a JSON schema of its arguments.

    *name* is what it is called by, *description* tells the model when.
    """

    type: Literal["function"]
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class McpToolFilter(Part):
    """Tools of an MCP server, by name, or by whether they only read.

    By *tool_names*, or all that are *read_only*.
    """

    tool_names: list[str] | None = None
    read_only: bool | None = None


class McpToolApproval(Part):
    """Which tools *always* have to be approved, and which *never*."""

    always: McpToolFilter | None = None
    never: McpToolFilter | None = None


class McpTool(Part):
    """The tools of an MCP server, which the service calls itself.

    The server is named by *server_url*, *connector_id* or *tunnel_id*; *authorization* and *headers* are sent to it.

    *server_label* names it in calls, *server_description* tells the model what it is for. *allowed_tools* are those
    that may be called (all), *require_approval* those that have to be asked for (`always`, `never`, or by filter),
    *allowed_callers* who may call them, and with *defer_loading* its tools are listed only when they are searched
    for.
    """

    type: Literal["mcp"]
    server_label: str | None = None
    server_url: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    server_description: str | None = None
    authorization: str | None = Field(default=None, repr=False)  # a token
    headers: dict[str, str] | None = Field(default=None, repr=False)
    allowed_tools: list[str] | McpToolFilter | None = None
    require_approval: Literal["always", "never"] | str | McpToolApproval | None = None
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None


class OtherTool(Part):
    """A tool of a kind that this version has no class for; its fields are readable as attributes.

    *authorization* is in no repr.
    """

    type: str
    authorization: str | None = Field(default=None, repr=False)  # a token


TOOL_KINDS = ("function", "mcp")
Tool = Annotated[
    Annotated[FunctionTool, Tag(item_tag("function"))]
    | Annotated[McpTool, Tag(item_tag("mcp"))]
    | Annotated[OtherTool, Tag(OTHER)],
    Discriminator(tag_by_type(*TOOL_KINDS)),
]


class ToolChoice(Part):
    """The one tool to call: the `function` *name*, or the tool *name* of the `mcp` server *server_label*."""

    type: Literal["function", "mcp"] | str
    name: str | None = None
    server_label: str | None = None


class TokenLimits(Part):
    """*post_instructions*: the most tokens that may follow the instructions."""

    post_instructions: int | None = None


class RetentionRatio(Part):
    """When the conversation is too long, it is cut to *retention_ratio* (0 to 1) of what there is room for.

    *token_limits* bounds what is kept besides.
    """

    type: Literal["retention_ratio"] | str
    retention_ratio: float | None = None
    token_limits: TokenLimits | None = None


class Tracing(Part):
    """How the session is named in OpenAI's traces.

    *workflow_name*, *group_id* and *metadata* say where a trace belongs.
    """

    workflow_name: str | None = None
    group_id: str | None = None
    metadata: dict[str, Any] | None = None


class Prompt(Part):
    """A stored prompt, by its *id*, with *variables* put into it."""

    id: str | None = None
    version: str | None = None
    variables: dict[str, Any] | None = None


class Reasoning(Part):
    """How hard a model of the gpt-realtime-2 family thinks; older ones refuse it.

    *effort* is `minimal` to `xhigh`.
    """

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | str | None = None


AnyToolChoice = Literal["auto", "none", "required"] | str | ToolChoice
MaxOutputTokens = int | Literal["inf"]


class SessionConfig(Part):
    """What `session.update` may set.

    A `realtime` session answers; a `transcription` session only writes down, and has *audio.input* and *include*.
    *output_modalities* is `["audio"]` (with its transcript) or `["text"]`; *max_output_tokens* (1 to 4096, or `"inf"`)
    is for each response; *include* `["item.input_audio_transcription.logprobs"]` asks for more in the events;
    *truncation* is `"auto"`, `"disabled"` or a ratio.
    """

    type: Literal["realtime", "transcription"] | str | None = None
    model: str | None = None
    instructions: str | None = None
    output_modalities: list[Modality] | None = None
    audio: SessionAudio | None = None
    tools: list[Tool] | None = None
    tool_choice: AnyToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: MaxOutputTokens | None = None
    include: list[str] | None = None
    prompt: Prompt | None = None
    reasoning: Reasoning | None = None
    tracing: Literal["auto"] | str | Tracing | None = None
    truncation: Literal["auto", "disabled"] | str | RetentionRatio | None = None


class TranscriptionConfig(Part):
    """What `transcription_session.update` may set, in the flat words of the preview protocol.

    The formats are `pcm16` (24 kHz mono), `g711_ulaw` and `g711_alaw`.

    Its fields are the flat ones: `input_audio_format`, `input_audio_transcription` and
    `input_audio_noise_reduction`.
    """

    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | str | None = None
    input_audio_transcription: Transcription | None = None
    input_audio_noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None
    include: list[str] | None = None


class ResponseAudio(Part):
    """The sound of one response.

    *output* is as of a session.
    """

    output: AudioOutput | None = None
