"""`realtime-azure chat`: what a person on a terminal, a pipe and a program get to see of answers in writing."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import CancelScope, fail_after
from anyio.lowlevel import checkpoint

from realtime_azure import emulator
from realtime_azure.cli.chat import Page, Talk
from realtime_azure.emulator import Turn
from realtime_azure.rest import RestClient

from .asking import ESCAPE, KEY, Outcome, Run, answer, emulated, ended, events, refusal, runner, scripted, start
from .terminal import Terminal, terminal

TWO_WORDS = "This is the emulator. I read your message of two words."


@pytest.fixture
def chat(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("chat", capsys)


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return {"id": "chat_1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def said(*texts: str, finish: str = "stop") -> bytes:
    return events([*map(chunk, texts), chunk(finish=finish)])


def type_in(window: Terminal, keys: str) -> None:
    os.write(window._master, keys.encode())  # pyright: ignore[reportPrivateUsage]  # it reads itself only


# One question


def test_a_question_is_answered_in_plain_text(chat: Run) -> None:
    assert chat("--emulator", "hello there") == Outcome(0, f"{TWO_WORDS}\n", "")


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_a_question_comes_through_a_pipe(arguments: list[str]) -> None:
    process = start("chat", "--emulator", *arguments, stdin=subprocess.PIPE)
    assert ended(process, "hällo there\n".encode()) == Outcome(0, f"{TWO_WORDS}\n", "")


def test_what_is_configured_is_asked(chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, said("Yes")) as service:
        assert chat("--system", "Be brief.", "Really?") == Outcome(0, "Yes\n", "")
    (asked,) = service.asked
    assert (asked.path, asked.headers["api-key"]) == ("/openai/v1/chat/completions", KEY)
    assert asked.json == {
        "model": "mine",
        "stream": True,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Really?"}],
    }


def test_the_dated_form(chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with emulated(monkeypatch):
        assert chat("--api-version", "2024-10-21", "hello there") == Outcome(0, f"{TWO_WORDS}\n", "")


def test_json_is_the_chunks_one_a_line(chat: Run) -> None:
    outcome = chat("--emulator", "--json", "hello there")
    assert (outcome.code, outcome.err) == (0, "")
    chunks = [json.loads(line) for line in outcome.out.splitlines()]
    words = [choice["delta"].get("content") or "" for each in chunks for choice in each["choices"]]
    assert "".join(words) == TWO_WORDS
    assert chunks[-1]["usage"]["completion_tokens"] == 11
    assert "prompt_filter_results" in chunks[0]  # what Azure adds is kept


def test_a_pipe_gets_the_answer_as_it_is(chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, said("1\n", f"{ESCAPE}2\n")):
        assert chat("count") == Outcome(0, f"1\n{ESCAPE}2\n", "")


def test_a_model_that_will_not_answer_says_so(chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"id": "1", "choices": [{"index": 0, "delta": {"refusal": "I will not."}, "finish_reason": "stop"}]}
    with scripted(monkeypatch, events([refused])):
        assert chat("do it") == Outcome(0, "I will not.\n", "")


@pytest.mark.parametrize(("reason", "why"), [("length", "as long as it may be"), ("content_filter", "content filter")])
def test_an_answer_that_the_service_cut_short_is_said_to_be_incomplete(
    chat: Run, monkeypatch: pytest.MonkeyPatch, reason: str, why: str
) -> None:
    with scripted(monkeypatch, said("Once upon", finish=reason)):
        outcome = chat("a story")
    assert (outcome.code, outcome.out) == (0, "Once upon\n")
    assert outcome.complaint.startswith("the answer is incomplete: ")
    assert why in outcome.complaint


def test_who_stops_reading_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(turn: Turn) -> AsyncGenerator[str]:
        while True:
            yield "again\n"
            await checkpoint()

    with emulated(monkeypatch, endless):
        process = start("chat", "repeat")
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdout, process.stderr:
            assert process.stdout.readline() == b"again\n"
            process.stdout.close()
            assert process.wait(20) == 0
            assert process.stderr.read() == b""


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hello"], "no endpoint: "),
        (["--emulator", " "], "the question is empty"),
        (["--emulator", "\udcff"], "the question is no text: it has to be UTF-8"),
        (["--emulator", "--endpoint", "https://x.openai.azure.com", "hello"], "leave out --endpoint and --entra"),
        (["--endpoint", "example.com", "hello"], "endpoint: give a URL such as"),
        (["--endpoint", "https://x.openai.azure.com", "--api-version", "v1", "hello"], "api_key="),
    ],
)
def test_wrong_usage_is_told_in_one_line(chat: Run, arguments: list[str], says: str) -> None:
    outcome = chat(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.complaint


def test_a_pipe_that_brings_no_text(chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), "utf-8"))
    outcome = chat("--emulator")
    assert (outcome.code, outcome.complaint) == (2, "the question is no text: it has to be UTF-8")


def test_without_a_deployment_nothing_is_sent(chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of realtime models answers no chat, so it is not taken instead."""
    with scripted(monkeypatch) as service:
        monkeypatch.delenv("AZURE_OPENAI_DEPLOYMENT_NAME")
        monkeypatch.setenv("AZURE_OPENAI_REALTIME_DEPLOYMENT", "gpt-realtime")
        outcome = chat("hello")
    assert (outcome.code, service.asked) == (2, [])
    assert outcome.complaint.startswith("no deployment: give --deployment NAME")


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (refusal("401 Unauthorized", "Access denied."), (3, "", "HTTP 401 (the_code: Access denied.)")),
        (refusal("404 Not Found", "No such deployment."), (3, "", "HTTP 404")),
        (answer("<html>", "text/html", "403 Forbidden"), (3, "", "HTTP 403")),
        (
            events([chunk("It"), {"error": {"message": "Too hot."}}]),
            (3, "It\n", "the service ended the stream: Too hot."),
        ),
        (events([chunk("It")], done=False), (4, "It\n", "the answer was cut: it ended without its end")),
        (answer("data: {}", "text/event-stream", missing=9), (4, "", "the answer was cut")),
        (answer("data: 7\n\n", "text/event-stream"), (3, "", "the answer is not a JSON object")),
    ],
)
def test_what_goes_wrong_has_its_exit_code_and_never_the_key(
    chat: Run, monkeypatch: pytest.MonkeyPatch, script: bytes, outcome: tuple[int, str, str]
) -> None:
    with scripted(monkeypatch, script):
        came = chat("hello")
    assert (came.code, came.out) == outcome[:2]
    assert outcome[2] in came.complaint
    assert KEY not in came.err


def test_a_service_that_hangs_up(chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch) as service:
        outcome = chat("hello")
    assert (outcome.code, outcome.out, len(service.asked)) == (4, "", 3)
    assert "hung up before it had answered" in outcome.complaint


# A conversation


def test_a_conversation_is_remembered_and_ends_with_an_empty_line(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    first = events([chunk("It is\n"), chunk(f"{ESCAPE}Paris."), chunk(finish="stop"), {"choices": [], "usage": usage}])
    with (
        scripted(monkeypatch, first, said("Lyon.")) as service,
        terminal("chat", "--system", "Be brief.") as window,
    ):
        window.read_until("you    > ")
        type_in(window, "The capital of France?\n")
        window.read_until("out)\nyou    > ")
        type_in(window, "And the next?\n")
        window.read_until("Lyon.")
        window.read_until("ms)\nyou    > ")
        type_in(window, "\n")
        shown = window.read()
        assert window.process.returncode == 0
    assert "answer > It is\n ]0;owned Paris.\n(first token " in shown  # its escape sequence is none any more
    assert re.search(r"\(first token \d+ ms · total \d+ ms · 7 tokens in · 3 out\)\n", shown)
    assert [each.json["messages"] for each in service.asked] == [
        (begun := [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "The capital of France?"}]),
        [
            *begun,
            {"role": "assistant", "content": f"It is\n{ESCAPE}Paris."},
            {"role": "user", "content": "And the next?"},
        ],
    ]
    assert service.asked[0].json["stream_options"] == {"include_usage": True}


def test_ctrl_c_stops_an_answer_and_ctrl_d_ends_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dither(turn: Turn) -> AsyncGenerator[str]:
        yield "Well,"
        if turn.text == "Hm?":
            await anyio.sleep_forever()
        yield " yes."

    with emulated(monkeypatch, dither), terminal("chat") as window:
        window.read_until("you    > ")
        type_in(window, "Hm?\n")
        window.read_until("Well,")
        window.process.send_signal(signal.SIGINT)
        window.read_until("\n(stopped · first token ")
        window.read_until(")\nyou    > ")
        type_in(window, "So?\n")
        window.read_until("Well, yes.\n")
        window.read_until("out)\nyou    > ")
        type_in(window, "\x04")
        assert "Traceback" not in window.read()
        assert window.process.returncode == 0


def test_ctrl_c_at_the_prompt_is_an_interruption() -> None:
    with terminal("chat", "--emulator") as window:
        window.read_until("you    > ")
        waiting = Path(f"/proc/{window.process.pid}/stat")  # a signal before it waits is noticed with the next key only
        while waiting.exists() and waiting.read_text().rpartition(")")[2].split()[0] != "S":
            pass
        window.process.send_signal(signal.SIGINT)
        assert window.read().endswith("realtime-azure chat: interrupted\n")
        assert window.process.returncode == 130


def test_an_answer_that_fails_does_not_end_a_conversation_that_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [said("One."), refusal("400 Bad Request", "Not that."), said("Three.")]
    with scripted(monkeypatch, *answers) as service, terminal("chat") as window:
        for keys, until in (("1\n", "One."), ("2\n", "Not that."), ("3\n", "Three.")):
            window.read_until("you    > ")
            type_in(window, keys)
            window.read_until(until)
            window.shown = window.shown.partition(until)[2]
        window.read_until("you    > ")
        type_in(window, "\n")
        window.read()
        assert window.process.returncode == 0
    assert [message["content"] for message in service.asked[2].json["messages"]] == ["1", "One.", "3"]


def test_a_first_answer_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(monkeypatch, refusal("401 Unauthorized", "Access denied.")), terminal("chat") as window:
        window.read_until("you    > ")
        type_in(window, "hello\n")
        shown = window.read()
        assert window.process.returncode == 3
    assert "HTTP 401 (the_code: Access denied.)" in shown
    assert KEY not in shown
    assert "Traceback" not in shown


@pytest.mark.anyio
async def test_what_was_said_before_it_was_stopped_is_remembered() -> None:
    async def dither(turn: Turn) -> AsyncGenerator[str]:
        yield "Well, "
        await anyio.sleep_forever()

    class Told(io.StringIO):
        def write(self, text: str) -> int:
            if text.startswith("Well"):
                stop.cancel()
            return super().write(text)

    page, stop = Told(), CancelScope()
    async with (
        emulator.serve(responder=dither) as service,
        RestClient(service.url, deployment="any", api_version="v1", api_key=service.api_key) as client,
    ):
        talk = Talk(client, Page(page))
        with fail_after(5):
            await talk.ask("Hm?", stop)
    assert [message["content"].strip() for message in talk.messages] == ["Hm?", "Well,"]
    assert page.getvalue().strip() == "Well,"


@pytest.mark.anyio
async def test_what_was_stopped_before_a_word_is_forgotten() -> None:
    async with (
        emulator.serve() as service,
        RestClient(service.url, deployment="any", api_version="v1", api_key=service.api_key) as client,
    ):
        talk, stop = Talk(client, Page(io.StringIO()), "Be brief."), CancelScope()
        stop.cancel()
        with fail_after(5):
            await talk.ask("Hm?", stop)
    assert talk.messages == [{"role": "system", "content": "Be brief."}]
    assert not talk.answered


def test_help_teaches_with_examples(chat: Run) -> None:
    out = chat("--help").out
    assert "realtime-azure chat --emulator\n" in out
    assert "| head -1\n" in out
