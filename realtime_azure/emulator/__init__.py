"""An Azure OpenAI realtime service on your desk: the same wire, no account, nothing said that is not so.

    async with serve() as emulator:
        async with connect(emulator.url, deployment="any", api_version="v1", api_key=emulator.api_key) as connection:
            ...

It checks the key and the deployment, finds the end of speech in the audio it is sent, and answers with sound and
transcript in the service's own order of events, in both URL forms and dialects. What it answers comes from a
responder, an async function from a `Turn` to a `Reply`, which you can bring. Its session and its answers say that
they are the emulator's.

On the same port it answers what else a deployment is asked over HTTP: chat and other completions, embeddings, audio,
images, responses, files, models, ephemeral tokens and calls, in both forms of the URL and out of the same responder.
"""

from .clock import Clock, VirtualClock
from .faults import Fault
from .handshake import REFUSALS
from .line import Seen
from .listener import Emulator, serve
from .responder import FunctionCall, Reply, Responder, Said, Speaker, Transcriber, Turn, recorded_answer
from .script import ScriptedResponder, UnexpectedTurn

__all__ = [
    # running it
    "serve",
    "Emulator",
    "REFUSALS",
    "Fault",
    "Seen",
    "Clock",
    "VirtualClock",
    # what it answers
    "Responder",
    "Turn",
    "Reply",
    "FunctionCall",
    "Said",
    "Transcriber",
    "Speaker",
    "recorded_answer",
    "ScriptedResponder",
    "UnexpectedTurn",
]
