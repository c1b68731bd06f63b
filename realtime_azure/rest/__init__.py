"""The service's other endpoints, over HTTP: what an assistant needs beside the socket.

    async with RestClient(deployment="gpt-4o") as client:
        answer = await client.chat.completions.create(messages=[{"role": "user", "content": "Hello"}])
        print(answer.text)

The configuration is `realtime_azure.connect`'s, in the dated and in the v1 form, and so are the errors
(`realtime_azure.errors`); the verbs are openai-python's. Its rooms:

    client      RestClient                              call       from a verb's arguments to a request
    exchange    one request: signed, tried again        stream     answers that come piece by piece
    result      what all results have in common         upload     files on their way
    chat, completions, embeddings, audio, images, models, responses, files, realtime: the verbs, and their results

`realtime_azure` itself does not import this.
"""

from .audio import Segment, Transcription, TranscriptionEvent, Translation, Word
from .chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage, ToolCall
from .client import RestClient
from .completions import Completion
from .embeddings import Embedding, Embeddings
from .exchange import Timeouts
from .files import FileDeleted, FileObject, FileObjects
from .images import Image, ImageEvent, Images
from .models import Model, Models
from .realtime import ClientSecret, EphemeralSession, RealtimeCall
from .responses import OutputItem, Response, ResponseEvent
from .result import CompletionUsage, ContentFilterResults, Filter, PromptFilterResult, RateLimits, Result, Usage
from .stream import Sound, Stream
from .upload import File

__all__ = [
    # the client
    "RestClient",
    "Timeouts",
    "File",
    # what all answers have
    "Result",
    "RateLimits",
    "Stream",
    "Sound",
    "CompletionUsage",
    "Usage",
    "ContentFilterResults",
    "Filter",
    "PromptFilterResult",
    # answers
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionMessage",
    "ToolCall",
    "Completion",
    "Embedding",
    "Embeddings",
    "Transcription",
    "TranscriptionEvent",
    "Translation",
    "Segment",
    "Word",
    "Image",
    "ImageEvent",
    "Images",
    "Model",
    "Models",
    "Response",
    "ResponseEvent",
    "OutputItem",
    "FileObject",
    "FileObjects",
    "FileDeleted",
    "ClientSecret",
    "EphemeralSession",
    "RealtimeCall",
]
