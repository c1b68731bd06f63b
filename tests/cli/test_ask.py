"""`realtime-azure ask`: what a person, a pipe and a script get to see of an answer, and of what kept it from coming."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import signal
import socket
import struct
import subprocess
import wave
from array import array
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from websockets.frames import Frame, Opcode

from realtime_azure import emulator
from realtime_azure.audio import pcm, wav
from realtime_azure.cli import dialogue, main
from realtime_azure.emulator import Reply, Turn

from .. import serving
from ..serving import RESPONSE_CREATED, RESPONSE_DONE, SESSION_CREATED, Peer, close_frame
from . import COMMAND, ROOT, SAMPLES, environment
from .terminal import on_screen, terminal

QUESTION = SAMPLES / "question_capital.wav"
SLOWLY = "at the speed of speech.wav"
RECORDINGS = sorted(path.name for path in SAMPLES.glob("*.wav"))
KEY = "the-key-of-the-tests"
PATIENCE = 20.0
PART = array("h", [3000, -3000] * 6000).tobytes()  # half a second
ESCAPE = "\x1b]0;owned\x07"

QUESTION_KEYS = {"file", "seconds", "transcript"}
KEYS = {"question", "answer", "latency_ms", "usage", "endpoint", "emulator", "session_id"}
ANSWER_KEYS = {"transcript", "seconds", "status", "complete", "file"}
LATENCY_KEYS = {"first_text", "first_audio", "total"}


# Running it


@dataclass(frozen=True)
class Outcome:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout, where nothing else may be."""
        assert self.out.count("\n") == 1
        said: dict[str, Any] = json.loads(self.out)
        return said

    @property
    def complaint(self) -> str:
        """The one line on stderr."""
        assert self.err.startswith("realtime-azure ask: ")
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        return self.err.removeprefix("realtime-azure ask: ").rstrip("\n")


Ask = Callable[..., Outcome]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """The command in this process."""

    def run(*arguments: str | Path) -> Outcome:
        try:
            code = main(["ask", *map(str, arguments)])
        except SystemExit as exc:  # argparse's way of refusing
            code = int(exc.code or 0)
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture(scope="module")
def portal() -> Generator[BlockingPortal]:
    """An event loop in a thread, for servers."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the environment as a user of Azure would, for the resource at a URL."""

    def set_up(url: str) -> None:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", url)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
        monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT_NAME", "gpt-realtime")
        monkeypatch.setenv("OPENAI_API_VERSION", "v1")

    return set_up


@pytest.fixture
def emulate(portal: BlockingPortal, configure: Callable[[str], None]) -> Iterator[None]:
    """A configured endpoint, which is an emulator in another thread that answers as fast as it can."""
    serve = emulator.serve(api_key=KEY, deployments=["gpt-realtime"], pace=math.inf)
    with portal.wrap_async_context_manager(serve) as service:
        configure(service.url)
        yield


Scripted = Callable[[serving.Script], None]


@pytest.fixture
def scripted(portal: BlockingPortal, configure: Callable[[str], None]) -> Iterator[Scripted]:
    """Starts a service that does what a script says, and configures it."""
    running: list[Any] = []

    def start(script: serving.Script) -> None:
        async def in_time(peer: Peer) -> None:
            with anyio.move_on_after(PATIENCE):  # then the socket is closed, and nobody waits for ever
                await script(peer)

        manager = portal.wrap_async_context_manager(serving.serve(in_time))
        server = manager.__enter__()
        running.append(manager)
        configure(server.url)

    yield start
    for manager in running:
        manager.__exit__(None, None, None)


# Scripts


def audio_delta(sound: bytes = PART) -> dict[str, Any]:
    return {
        "type": "response.output_audio.delta",
        "response_id": "resp_1",
        "item_id": "item_1",
        "delta": base64.b64encode(sound).decode(),
    }


def transcript_delta(text: str) -> dict[str, Any]:
    return {
        "type": "response.output_audio_transcript.delta",
        "response_id": "resp_1",
        "item_id": "item_1",
        "delta": text,
    }


def done(status: str, **more: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": "resp_1", "status": status, **more}}


def transcribed(text: str) -> dict[str, Any]:
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "item_0",
        "content_index": 0,
        "transcript": text,
    }


ANSWER = (RESPONSE_CREATED, audio_delta(), transcript_delta("It is Paris."), RESPONSE_DONE)


async def hear_until(peer: Peer, kind: str) -> list[dict[str, Any]]:
    """What the client says, to the first event of *kind*."""
    heard = [await peer.hear()]
    while heard[-1]["type"] != kind:
        heard.append(await peer.hear())
    return heard


async def arrived(peer: Peer) -> None:
    """Returns when the client has read all that was sent."""
    await peer.send(Frame(Opcode.PING, b"read it?"))
    while (await peer.frame()).opcode is not Opcode.PONG:
        pass


def answering(*events: dict[str, Any]) -> serving.Script:
    """A service that answers the first question with *events*."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "response.create")
        await peer.say(*events)
        await peer.farewell()

    return script


def samples_of(path: Path) -> array[int]:
    """The samples of a WAV file as Python's own reader sees it, which must be 24 kHz mono PCM16."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
        samples = array("h", file.readframes(file.getnframes()))
        assert len(samples) == file.getnframes()
    return samples


# An answer


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Outcome, Path]]:
    """Every recording asked in a process of its own, all at the same time: what was said, and where the answer is."""
    folder = tmp_path_factory.mktemp("answers")
    clean = {name: value for name, value in environment().items() if not name.startswith(("AZURE_", "OPENAI_"))}
    asked = {SLOWLY: ["audio_samples/long_pause.wav"]}
    asked |= {name: [f"audio_samples/{name}", "--fast"] for name in RECORDINGS}
    running = {
        name: subprocess.Popen(
            [*COMMAND, "ask", *question, "-o", str(folder / name)],
            cwd=ROOT,
            env=clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, question in asked.items()
    }
    came = {name: Outcome(*_ended(process)) for name, process in running.items()}
    return {name: (outcome, folder / name) for name, outcome in came.items()}


def _ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recording_is_answered_with_sound_that_is_not_silence(
    answers: dict[str, tuple[Outcome, Path]], name: str
) -> None:
    outcome, answer = answers[name]
    assert (outcome.code, outcome.err) == (0, "")
    samples = samples_of(answer)
    assert len(samples) > 12000
    assert max(map(abs, samples)) > 3000


@pytest.mark.parametrize("name", [name for name in RECORDINGS if name != "long_pause.wav"])
def test_a_pipe_gets_plain_whole_lines(answers: dict[str, tuple[Outcome, Path]], name: str) -> None:
    outcome, answer = answers[name]
    assert not re.search(r"[^\n -~→·]", outcome.out)
    question, note, you, said, latency, usage, sound = outcome.out.splitlines()
    assert re.fullmatch(rf"question  audio_samples/{name} \(\d+\.\d s\)", question)
    assert "emulator" in note
    assert "endpoint" in note
    assert re.match(r"you {7}\S", you)
    assert re.match(r"answer {4}This is the emulator\. I heard ", said)
    assert re.fullmatch(r"latency {3}end of speech → first sound \d+ ms · total \d+ ms", latency)
    assert re.fullmatch(r"usage {5}\d+ tokens in · \d+ out", usage)
    assert re.fullmatch(rf"sound {{5}}{re.escape(str(answer))} \(\d+\.\d s\)", sound)


def test_a_question_goes_on_after_a_pause_at_the_speed_of_speech(answers: dict[str, tuple[Outcome, Path]]) -> None:
    """Nothing of a recording is left unsent because what came so far has been answered."""
    lines = answers[SLOWLY][0].out.splitlines()
    assert lines.count("(the question goes on, so that answer does not count)") == 1
    assert [line.split()[0] for line in lines].count("answer") == 2  # that one, and the one that counts
    total = re.search(r"total (\d+) ms", answers[SLOWLY][0].out)
    assert total is not None
    assert int(total[1]) > 5224  # as long as the recording is


def test_speech_is_told_from_silence(answers: dict[str, tuple[Outcome, Path]]) -> None:
    assert "I heard no speech" in answers["silence.wav"][0].out
    assert "for about nine seconds" in answers["story.wav"][0].out


@pytest.mark.usefixtures("emulate")
def test_a_configured_endpoint_is_asked_instead_of_an_emulator_of_its_own(ask: Ask, tmp_path: Path) -> None:
    outcome = ask(QUESTION, "--fast", "-o", tmp_path / "answer.wav", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json["emulator"] is False
    assert outcome.json["endpoint"] == os.environ["AZURE_OPENAI_ENDPOINT"]
    assert len(samples_of(tmp_path / "answer.wav")) > 12000


@pytest.mark.parametrize("version", ["2025-04-01-preview", "2024-10-01-preview", "v1"])
@pytest.mark.usefixtures("emulate")
def test_dated_versions_answer_like_the_current_one(ask: Ask, tmp_path: Path, version: str) -> None:
    outcome = ask(QUESTION, "--fast", "--api-version", version, "-o", tmp_path / "answer.wav")
    assert (outcome.code, outcome.err) == (0, "")
    assert "answer    This is the emulator. I heard you speak for about two seconds.\n" in outcome.out
    assert len(samples_of(tmp_path / "answer.wav")) > 12000


@pytest.mark.usefixtures("emulate")
def test_a_question_in_writing(ask: Ask, tmp_path: Path) -> None:
    outcome = ask("--text", "What is the capital of France?", "-o", tmp_path / "answer.wav")
    assert (outcome.code, outcome.err) == (0, "")
    answer, latency, _, _ = outcome.out.splitlines()
    assert answer == "answer    This is the emulator. I read your message of six words."
    assert latency.startswith("latency   question → first sound ")
    assert len(samples_of(tmp_path / "answer.wav")) > 12000


@pytest.mark.usefixtures("emulate")
def test_without_an_output_nothing_is_written(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask("--text", "hello").code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_question_that_goes_on_after_a_pause_has_the_last_answer(
    ask: Ask, portal: BlockingPortal, configure: Callable[[str], None], tmp_path: Path
) -> None:
    """The pause in it is long enough to be taken for its end; the answer to its first half is not the answer."""
    turns: list[Turn] = []

    async def count(turn: Turn) -> Reply:
        turns.append(turn)
        return Reply(f"Answer {len(turns)}.", PART * len(turns))

    serve = emulator.serve(api_key=KEY, responder=count, pace=math.inf)
    with portal.wrap_async_context_manager(serve) as service:
        configure(service.url)
        outcome = ask(SAMPLES / "long_pause.wav", "--fast", "--json", "-o", tmp_path / "answer.wav")
    assert outcome.code == 0
    assert len(turns) == 2
    assert outcome.json["answer"]["transcript"] == "Answer 2."
    assert outcome.json["answer"]["complete"] is True
    assert samples_of(tmp_path / "answer.wav").tobytes() == PART * 2


# What is sent


def test_the_service_hears_the_whole_recording_in_pieces_and_then_silence(
    ask: Ask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This service never hears the end of the speech, so the turn is ended by hand."""
    monkeypatch.setattr(dialogue, "SILENCE_SECONDS", 0.2)
    heard: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        heard.extend(await hear_until(peer, "response.create"))
        await peer.say(*ANSWER)
        await peer.farewell()

    scripted(script)
    assert ask(QUESTION, "--fast").code == 0
    kinds = [event["type"] for event in heard]
    assert kinds[0] == "session.update"
    assert kinds[-2:] == ["input_audio_buffer.commit", "response.create"]
    assert set(kinds[1:-2]) == {"input_audio_buffer.append"}
    pieces = [base64.b64decode(event["audio"]) for event in heard[1:-2]]
    assert all(0.02 <= pcm.duration(piece) <= 0.1 for piece in pieces)
    recording = wav.read(QUESTION).pcm
    sent = b"".join(pieces)
    assert sent.startswith(recording)
    assert sent[len(recording) :] == pcm.silence(0.2)


def test_choices_reach_the_session(ask: Ask, scripted: Scripted) -> None:
    updates: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        updates.append((await hear_until(peer, "response.create"))[0])
        await peer.say(*ANSWER)
        await peer.farewell()

    scripted(script)
    choices = ("--instructions", "Be brief.", "--voice", "marin", "--transcribe-with", "whisper")
    assert ask("--text", "hello", *choices).code == 0
    session = updates[0]["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["audio"]["input"]["transcription"] == {"model": "whisper"}


@pytest.mark.parametrize("code", ["input_audio_buffer_commit_empty", "conversation_already_has_active_response"])
def test_a_service_that_heard_the_end_just_before_it_was_told_is_no_error(
    ask: Ask, scripted: Scripted, code: str
) -> None:
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "code": code, "message": "too late"}}
    scripted(answering(refusal, *ANSWER))
    assert "answer    It is Paris.\n" in ask("--text", "hello").out


# On a terminal


def test_a_terminal_shows_the_level_of_what_is_sent_at_the_speed_of_speech() -> None:
    with terminal("ask", QUESTION) as window:
        shown = window.read()
    assert window.process.returncode == 0
    meters = re.findall(r"\r\x1b\[Ksending {3}\[([█ ]{24})\] (\d\.\d) / 2\.0 s", shown)
    assert len(meters) > 40
    assert len({bar.count("█") for bar, _ in meters}) > 5  # it moves
    assert [at for _, at in meters] == sorted(at for _, at in meters)
    assert "waiting" in shown
    assert [line.split()[0] for line in on_screen(shown)] == "question No you answer latency usage".split()
    latency = re.search(r"first sound (\d+) ms · total (\d+) ms", shown)
    assert latency is not None
    assert int(latency[1]) < 2000 <= int(latency[2])


def test_words_are_shown_as_they_come(portal: BlockingPortal, scripted: Scripted) -> None:
    seen = anyio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "response.create")
        await peer.say(RESPONSE_CREATED, transcript_delta("It is"))
        await seen.wait()
        await peer.say(audio_delta(), transcript_delta(" Paris."), RESPONSE_DONE)
        await peer.farewell()

    scripted(script)
    with terminal("ask", "--text", "What is the capital of France?") as window:
        assert window.read_until("It is").endswith("answer    It is")
        portal.call(seen.set)
        shown = window.read()
    assert window.process.returncode == 0
    assert shown.count("answer    It is Paris.\n") == 1
    assert shown.count("Paris") == 1


def test_words_that_were_shown_as_they_came_are_not_shown_again(scripted: Scripted) -> None:
    """The transcript of a question often comes when its answer is nearly through."""
    scripted(answering(*ANSWER[:-1], transcribed("What is the capital of France?"), RESPONSE_DONE))
    with terminal("ask", "--text", "hello") as window:
        shown = window.read()
    assert shown.count("Paris") == 1
    assert "you       What is the capital of France?\n" in shown


@pytest.mark.parametrize("live", [False, True], ids=["pipe", "terminal"])
def test_control_characters_of_a_transcript_do_not_reach_the_terminal(ask: Ask, scripted: Scripted, live: bool) -> None:
    spoken = f"It is {ESCAPE}\x9b2J\r\nParis\u202e."
    scripted(answering(RESPONSE_CREATED, transcript_delta(spoken), transcribed(f"Wh{ESCAPE}at?"), RESPONSE_DONE))
    if live:
        with terminal("ask", "--text", "hello") as window:
            shown = window.read()
    else:
        shown = ask("--text", "hello").out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    assert re.search(r"^answer {4}It is +\]0;owned.*Paris", shown, re.MULTILINE)


@pytest.mark.parametrize("how", ["error event", "failed response", "close reason", "handshake"])
def test_control_characters_of_an_error_do_not_reach_the_terminal(ask: Ask, scripted: Scripted, how: str) -> None:
    message = f"bad{ESCAPE}\nnews"
    error = {"type": "server_error", "code": None, "message": message}
    body = json.dumps({"error": error}).encode()

    async def script(peer: Peer) -> None:
        if how == "handshake":
            head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\n\r\n"
            await peer.answer(head.encode() + body)
            return
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "response.create")
        match how:
            case "error event":
                await peer.say({"type": "error", "error": error})
            case "failed response":
                await peer.say(RESPONSE_CREATED, done("failed", status_details={"type": "failed", "error": error}))
            case _:
                await peer.send(close_frame(1011, message))
        await peer.farewell()

    scripted(script)
    outcome = ask("--text", "hello")
    assert outcome.code in {3, 4}
    assert "bad" in outcome.complaint
    assert outcome.complaint.isprintable()


# For programs


def check_keys(said: dict[str, Any]) -> None:
    assert set(said) - {"error"} == KEYS
    assert set(said["answer"]) == ANSWER_KEYS
    assert set(said["latency_ms"]) == LATENCY_KEYS


@pytest.mark.usefixtures("emulate")
def test_json_says_all_there_is_to_know(ask: Ask, tmp_path: Path) -> None:
    output = tmp_path / "answer.wav"
    outcome = ask(QUESTION, "--fast", "--json", "-o", output)
    assert (outcome.code, outcome.err) == (0, "")
    said = outcome.json
    check_keys(said)
    assert "error" not in said
    assert said["question"] == {"file": str(QUESTION), "seconds": pytest.approx(2.022, abs=0.001), "transcript": None}
    assert said["answer"] == {
        "transcript": "This is the emulator. I heard you speak for about two seconds.",
        "seconds": pytest.approx(len(samples_of(output)) / 24000, abs=0.001),
        "status": "completed",
        "complete": True,
        "file": str(output),
    }
    assert all(isinstance(ms, int) and ms >= 0 for ms in said["latency_ms"].values())
    assert said["usage"]["total_tokens"] == said["usage"]["input_tokens"] + said["usage"]["output_tokens"]
    assert said["session_id"].startswith("sess_")


def test_json_of_an_answer_of_its_own_emulator(ask: Ask) -> None:
    said = ask("--text", "Grüß Gott →", "--json").json
    check_keys(said)
    assert said["emulator"] is True
    assert said["endpoint"].startswith("http://127.0.0.1:")
    assert said["question"] == {"text": "Grüß Gott →"}
    assert said["answer"]["file"] is None


def test_json_of_a_wrong_question(ask: Ask) -> None:
    outcome = ask("nowhere.wav", "--json")
    assert (outcome.code, outcome.err) == (2, "")
    check_keys(outcome.json)
    assert set(outcome.json["question"]) == QUESTION_KEYS
    assert outcome.json["error"] == {
        "kind": "AudioFileError",
        "message": "nowhere.wav does not exist; check the path",
        "exit_code": 2,
    }


def test_json_of_no_question(ask: Ask) -> None:
    outcome = ask("--json")
    assert (outcome.code, outcome.err) == (2, "")
    assert outcome.json["error"]["kind"] == "ConfigurationError"


@pytest.mark.usefixtures("emulate")
def test_json_of_a_refusal(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "another")
    outcome = ask("--text", "hello", "--json")
    assert (outcome.code, outcome.err) == (3, "")
    check_keys(outcome.json)
    error = outcome.json["error"]
    assert set(error) == {"kind", "message", "status", "code", "request_id", "hint", "exit_code"}
    assert (error["kind"], error["status"], error["exit_code"]) == ("AuthenticationError", 401, 3)


def test_json_of_a_loss_has_what_was_received(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "response.create")
        await peer.say(*ANSWER[:-1])
        await arrived(peer)

    scripted(script)
    outcome = ask("--text", "hello", "--json", "-o", tmp_path / "answer.wav")
    assert (outcome.code, outcome.err) == (4, "")
    check_keys(outcome.json)
    assert outcome.json["answer"] == {
        "transcript": "It is Paris.",
        "seconds": 0.5,
        "status": None,
        "complete": False,
        "file": str(tmp_path / "answer.wav"),
    }
    assert outcome.json["error"]["kind"] == "ConnectionLost"
    assert outcome.json["session_id"] == "sess_1"


@pytest.mark.usefixtures("emulate")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_json_of_an_answer_that_could_not_be_written(ask: Ask) -> None:
    outcome = ask("--text", "hello", "--json", "-o", "/dev/full")
    assert (outcome.code, outcome.err) == (2, "")
    check_keys(outcome.json)
    assert outcome.json["answer"]["complete"] is True
    assert outcome.json["answer"]["file"] is None
    assert outcome.json["error"]["kind"] == "AudioFileError"


@pytest.mark.usefixtures("emulate")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_an_answer_that_could_not_be_written(ask: Ask) -> None:
    outcome = ask("--text", "hello", "-o", "/dev/full")
    assert outcome.code == 2
    assert outcome.complaint == "/dev/full cannot be written: No space left on device"


def test_json_is_printed_in_any_encoding() -> None:
    done = subprocess.run(
        [*COMMAND, "ask", "--text", "Grüß Gott", "--json"],
        cwd=ROOT,
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["question"]["text"] == "Grüß Gott"


def test_lines_are_printed_in_any_encoding(scripted: Scripted) -> None:
    scripted(answering(RESPONSE_CREATED, audio_delta(), transcript_delta("Hello 👋"), RESPONSE_DONE))
    for encoding in ("ascii", "gbk"):
        done = subprocess.run(
            [*COMMAND, "ask", "--text", "hello"],
            cwd=ROOT,
            env=environment(PYTHONIOENCODING=encoding),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"answer    Hello ?" in done.stdout


def test_lines_are_caught_by_a_program_that_calls_the_command() -> None:
    with redirect_stdout(StringIO()) as out:
        assert main(["ask", "--text", "hello"]) == 0
    assert "answer    This is the emulator." in out.getvalue()


# Bad questions


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def riff(*chunks: bytes) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks))


ADPCM = riff(chunk(b"fmt ", struct.pack("<HHIIHHH", 2, 1, 8000, 4096, 256, 4, 0)), chunk(b"data", bytes(512)))
NO_SAMPLES = riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 24000, 48000, 2, 16)), chunk(b"data", b""))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"Ask me something.\n" * 100, "is not a WAV file"),
        (b"ID3\x04" + bytes(2000), "looks like an MP3 file; convert it: ffmpeg -i"),
        (b"\xff\xfb\x90\x00" + bytes(2000), "looks like an MP3 file; convert it: ffmpeg -i"),
        (NO_SAMPLES, "holds no samples"),
        (ADPCM, "is a compressed WAV file (format tag 0x0002, Microsoft ADPCM); convert it: ffmpeg -i"),
        (riff(), "without a format"),
        (b"RIFF", "is not a WAV file"),
    ],
    ids=["empty", "text", "mp3", "mp3 without tags", "no samples", "adpcm", "no chunks", "four bytes"],
)
def test_a_file_that_is_no_question_is_named_in_one_line(ask: Ask, tmp_path: Path, content: bytes, says: str) -> None:
    question = tmp_path / "question.wav"
    question.write_bytes(content)
    outcome = ask(question)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.complaint.startswith(f"{question} ")
    assert says in outcome.complaint


@pytest.mark.parametrize("arguments", [["nothing.wav"], [QUESTION, "--text", "hello"], ["--text", ""]])
def test_an_output_is_not_spoken_of_where_nothing_was_asked(
    ask: Ask, tmp_path: Path, arguments: list[str | Path]
) -> None:
    outcome = ask(*arguments, "-o", tmp_path / "answer.wav")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.complaint
    assert not (tmp_path / "answer.wav").exists()


def test_an_answer_of_before_is_kept_where_nothing_new_comes(ask: Ask, tmp_path: Path) -> None:
    answer = tmp_path / "answer.wav"
    answer.write_bytes(b"precious")
    assert ask("nothing.wav", "-o", answer).code == 2
    assert answer.read_bytes() == b"precious"


def test_a_question_that_is_missing(ask: Ask, tmp_path: Path) -> None:
    outcome = ask(tmp_path / "nothing.wav")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.complaint == f"{tmp_path / 'nothing.wav'} does not exist; check the path"


def test_a_question_that_is_a_folder(ask: Ask, tmp_path: Path) -> None:
    outcome = ask(tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.complaint == f"{tmp_path} is a directory; name a WAV file in it"


def test_a_question_that_is_wrong_is_refused_before_anything_is_sent(ask: Ask, portal: BlockingPortal) -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    with portal.wrap_async_context_manager(serving.serve(script)) as server:
        assert ask("nothing.wav", "--endpoint", server.url).code == 2
        assert server.clients == 0


# Bad arguments


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a question: either a WAV file, or --text"),
        ([QUESTION, "--text", "hello"], "give a question: either a WAV file, or --text"),
        (["--text", ""], "--text: the question is empty"),
        (["--text", " \n"], "--text: the question is empty"),
        (["--text", "hello", "-o", "."], "--output: . cannot be a file"),
        (["--text", "hello", "-o", "nowhere/answer.wav"], "--output: nowhere/answer.wav cannot be a file"),
        (["--text", "hello", "--api-version", "yesterday"], "api_version: 'yesterday' is neither"),
        (["--text", "hello", "--endpoint", "example.com"], "endpoint: give a URL such as"),
        (["--text", "hello", "--endpoint", "http://example.com/openai/v1"], "use https://example.com"),
    ],
)
def test_wrong_usage_is_told_in_one_line(ask: Ask, arguments: list[str | Path], says: str) -> None:
    outcome = ask(*arguments)
    assert outcome.code == 2
    assert says in outcome.complaint


@pytest.mark.parametrize("name", ["question.wav", "../here/question.wav", "link.wav"])
def test_the_answer_does_not_replace_the_question(ask: Ask, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    question = folder / "question.wav"
    question.write_bytes(QUESTION.read_bytes())
    (folder / "link.wav").symlink_to(question)
    outcome = ask(question, "--fast", "-o", folder / name)
    assert outcome.code == 2
    assert outcome.complaint == f"--output: {folder / name} is the question; choose another name"
    assert question.read_bytes() == QUESTION.read_bytes()


def test_an_output_whose_name_is_too_long(ask: Ask) -> None:
    outcome = ask("--text", "hello", "-o", "long" * 100 + ".wav")
    assert outcome.code == 2
    assert outcome.complaint.startswith("--output: longlong")


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf", ""])
def test_a_timeout_is_a_number_of_seconds(ask: Ask, seconds: str) -> None:
    outcome = ask("--text", "hello", f"--timeout={seconds}")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith(f"argument --timeout: {seconds!r} is not a number of seconds\n")


# Bad configuration


@pytest.mark.parametrize(
    ("variable", "argument"),
    [
        ("AZURE_OPENAI_DEPLOYMENT_NAME", "deployment="),
        ("OPENAI_API_VERSION", "api_version="),
        ("AZURE_OPENAI_API_KEY", "api_key="),
    ],
)
@pytest.mark.usefixtures("emulate")
def test_what_is_not_configured_is_named_with_its_variable(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, variable: str, argument: str
) -> None:
    monkeypatch.delenv(variable)
    outcome = ask("--text", "hello")
    assert (outcome.code, outcome.out) == (2, "")
    assert argument in outcome.complaint
    assert variable in outcome.complaint
    if variable == "OPENAI_API_VERSION":
        assert "'v1'" in outcome.complaint
        assert re.search(r"'\d{4}-\d\d-\d\d-preview'", outcome.complaint)


@pytest.mark.parametrize("version", ["v1", "2025-04-01-preview"])
@pytest.mark.usefixtures("emulate")
def test_a_wrong_key_is_told_with_all_that_helps(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "another-key")
    outcome = ask("--text", "hello", "--api-version", version, "-o", tmp_path / "answer.wav")
    assert outcome.code == 3
    assert "HTTP 401" in outcome.complaint
    assert "Access denied due to invalid subscription key" in outcome.complaint
    assert re.search(r"\[request id [0-9a-f-]{36}\]", outcome.complaint)
    assert "Check that the key is one of this resource's own" in outcome.complaint
    assert "another-key" not in outcome.out + outcome.err
    assert not (tmp_path / "answer.wav").exists()


@pytest.mark.usefixtures("emulate")
def test_a_deployment_that_does_not_exist(ask: Ask) -> None:
    outcome = ask("--text", "hello", "--deployment", "gpt-imaginary")
    assert outcome.code == 3
    assert "HTTP 404 (DeploymentNotFound: " in outcome.complaint
    assert "deployment= is the name that was given to the deployment" in outcome.complaint


# A service that does not answer


@pytest.fixture
def nobody() -> Iterator[str]:
    """Where nobody listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_nobody_there(ask: Ask, configure: Callable[[str], None], nobody: str) -> None:
    configure(f"http://{nobody}")
    outcome = ask("--text", "hello")
    assert outcome.code == 4
    assert outcome.complaint.startswith(f"could not reach {nobody}: Connection refused. Check the endpoint's host")


async def vanish(_peer: Peer) -> None:
    """The script ends, and its socket with it."""


async def reset(peer: Peer) -> None:
    await peer.reset()


async def goodbye(code: int, peer: Peer) -> None:
    await peer.send(close_frame(code, "that is all"))
    await peer.gone()


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (vanish, "no close frame"),
        (reset, "no close frame"),
        (partial(goodbye, 1000), "close 1000: that is all"),
        (partial(goodbye, 1011), "close 1011: that is all"),
    ],
    ids=["vanished", "reset", "closed", "failed"],
)
def test_what_was_received_before_the_connection_was_lost_is_kept(
    ask: Ask, scripted: Scripted, tmp_path: Path, end: Callable[[Peer], Awaitable[None]], says: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "response.create")
        await peer.say(RESPONSE_CREATED, audio_delta(), transcript_delta("It is"), audio_delta())
        await arrived(peer)
        await end(peer)

    scripted(script)
    answer = tmp_path / "answer.wav"
    outcome = ask("--text", "hello", "-o", answer)
    assert outcome.code == 4
    assert "the connection was lost, in the middle of response resp_1" in outcome.complaint
    assert says in outcome.complaint
    assert outcome.out == f"answer    It is\nsound     {answer} (1.0 s) (incomplete: this is what was received)\n"
    assert samples_of(answer).tobytes() == PART * 2


def test_a_service_that_leaves_before_it_answers(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "response.create")
        await peer.send(close_frame(1000, "bye"))
        await peer.gone()

    scripted(script)
    outcome = ask("--text", "hello", "-o", tmp_path / "answer.wav")
    assert outcome.code == 4
    assert outcome.complaint == "the service closed this connection (bye)"
    assert outcome.out == f"sound     {tmp_path / 'answer.wav'} was not written: no sound came\n"
    assert not (tmp_path / "answer.wav").exists()


def test_a_connection_lost_while_the_question_is_sent(ask: Ask, scripted: Scripted) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "input_audio_buffer.append")

    scripted(script)
    outcome = ask(QUESTION, "--fast")
    assert outcome.code == 4
    assert "the connection was lost" in outcome.complaint


def test_an_answer_that_was_complete_stays_so_when_the_service_leaves(ask: Ask, scripted: Scripted) -> None:
    """A transcript of the question was still owed, but the answer was all there."""
    committed = {"type": "input_audio_buffer.committed", "item_id": "item_0"}

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "response.create")
        await peer.say(committed, *ANSWER)
        await peer.send(close_frame(1000))
        await peer.gone()

    scripted(script)
    outcome = ask("--text", "hello", "--transcribe-with", "whisper")
    assert (outcome.code, outcome.err) == (0, "")
    assert "answer    It is Paris.\n" in outcome.out


def test_a_service_that_says_nothing(ask: Ask, scripted: Scripted) -> None:
    scripted(answering())
    outcome = ask("--text", "hello", "--timeout", "0.1")
    assert outcome.code == 4
    assert outcome.complaint == "the service has said nothing for 0.1 s"


def test_a_service_that_falls_silent_in_mid_answer(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    scripted(answering(*ANSWER[:-1]))
    outcome = ask("--text", "hello", "--timeout", "0.2", "-o", tmp_path / "answer.wav")
    assert outcome.code == 4
    assert "(incomplete: this is what was received)" in outcome.out
    assert samples_of(tmp_path / "answer.wav").tobytes() == PART


def test_a_question_may_be_longer_than_the_timeout(ask: Ask, scripted: Scripted) -> None:
    """The service has nothing to say while it listens."""

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        for _ in range(15):  # pieces of 40 ms, at the speed of speech
            await hear_until(peer, "input_audio_buffer.append")
        await peer.send(close_frame(1000, "heard"))
        await peer.gone()

    scripted(script)
    outcome = ask(QUESTION, "--timeout", "0.1")
    assert outcome.complaint == "the service closed this connection (heard)"


# A service that refuses


def test_an_error_of_the_service(ask: Ask, scripted: Scripted) -> None:
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "Invalid value: 'marine'."}
    scripted(answering({"type": "error", "error": error}))
    outcome = ask("--text", "hello", "--voice", "marine")
    assert outcome.code == 3
    assert outcome.complaint == "the service answered with an error: Invalid value: 'marine'."


def test_a_response_that_fails(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    error = {"type": "server_error", "code": None, "message": "The server had an error."}
    failed = done("failed", status_details={"type": "failed", "error": error})
    scripted(answering(*ANSWER[:-1], failed))
    outcome = ask("--text", "hello", "-o", tmp_path / "answer.wav")
    assert outcome.code == 3
    assert outcome.complaint == "the response failed: The server had an error."
    assert "answer    It is Paris.\n" in outcome.out
    assert "(incomplete: this is what was received)" in outcome.out
    assert samples_of(tmp_path / "answer.wav").tobytes() == PART


def test_a_response_that_fails_without_a_reason(ask: Ask, scripted: Scripted) -> None:
    scripted(answering(RESPONSE_CREATED, done("failed")))
    assert ask("--text", "hello").complaint == "the response failed: no reason given"


def test_a_response_that_is_cut_short_by_its_limit_says_so(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    scripted(answering(*ANSWER[:-1], done("incomplete")))
    outcome = ask("--text", "hello", "-o", tmp_path / "answer.wav")
    assert (outcome.code, outcome.err) == (0, "")
    assert "(incomplete: this is what was received)" in outcome.out


def test_a_response_without_anything_in_it(ask: Ask, scripted: Scripted, tmp_path: Path) -> None:
    scripted(answering(RESPONSE_CREATED, RESPONSE_DONE))
    outcome = ask("--text", "hello", "-o", tmp_path / "answer.wav")
    assert (outcome.code, outcome.err) == (0, "")
    assert "was not written: no sound came" in outcome.out
    assert "None" not in outcome.out


# Being interrupted


def test_ctrl_c_keeps_what_was_received(scripted: Scripted, tmp_path: Path) -> None:
    answer = tmp_path / "answer.wav"
    scripted(answering(*ANSWER[:-1]))  # and it never ends
    with terminal("ask", "--text", "hello", "-o", answer) as window:
        window.read_until("Paris.")
        window.process.send_signal(signal.SIGINT)
        shown = window.read()
    assert window.process.returncode == 130
    assert on_screen(shown) == [
        "answer    It is Paris.",
        f"sound     {answer} (0.5 s) (incomplete: this is what was received)",
        "realtime-azure ask: interrupted",
    ]
    assert samples_of(answer).tobytes() == PART


def test_ctrl_c_while_the_question_is_sent_leaves_a_clean_line() -> None:
    with terminal("ask", "audio_samples/story.wav") as window:
        window.read_until("sending")
        window.process.send_signal(signal.SIGINT)
        shown = window.read()
    assert window.process.returncode == 130
    assert on_screen(shown)[-1] == "realtime-azure ask: interrupted"
    assert "Traceback" not in shown


def test_ctrl_c_is_told_in_json(portal: BlockingPortal, scripted: Scripted) -> None:
    """On a terminal too, `--json` is for programs: there is nothing else."""
    said = anyio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept(SESSION_CREATED)
        await hear_until(peer, "response.create")
        await peer.say(*ANSWER[:-1])
        await arrived(peer)
        said.set()
        await peer.farewell()

    scripted(script)
    with terminal("ask", "--text", "hello", "--json") as window:
        portal.call(said.wait)
        window.process.send_signal(signal.SIGINT)
        outcome = json.loads(window.read())
    assert window.process.returncode == 130
    assert outcome["error"] == {"kind": "KeyboardInterrupt", "message": "interrupted", "exit_code": 130}


def run_for_a_reader_who_leaves(*arguments: str, lines: int) -> tuple[int, str]:
    """Exit code and stderr, where stdout is read for so many *lines* and then closed."""
    with subprocess.Popen(
        [*COMMAND, "ask", *arguments],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
        return process.wait(PATIENCE), complaints


def test_a_reader_who_leaves_is_no_error() -> None:
    """As in `| head -1`."""
    assert run_for_a_reader_who_leaves("audio_samples/question_capital.wav", "--fast", lines=1) == (0, "")


def test_the_answer_is_written_even_if_nobody_reads_the_lines(tmp_path: Path) -> None:
    answer = tmp_path / "answer.wav"
    code, complaints = run_for_a_reader_who_leaves("--text", "hello", "-o", str(answer), lines=1)
    assert (code, complaints) == (0, "")
    assert len(samples_of(answer)) > 12000


def test_json_that_nobody_reads_is_no_error() -> None:
    assert run_for_a_reader_who_leaves("--text", "hello", "--json", lines=0) == (0, "")
