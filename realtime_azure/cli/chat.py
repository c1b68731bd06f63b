"""`realtime-azure chat`: a conversation in writing, on a terminal, or one question and its answer in a pipe."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TextIO

import anyio
from anyio import CancelScope, current_time
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..errors import RealtimeError
from ..rest import ChatCompletionChunk, CompletionUsage, RestClient
from ..rest.chat import ChatOptions
from . import resource
from .resource import complain, shown, told
from .screen import Screen

DESCRIPTION = """\
Talks to a chat model in writing; what it answers is shown as it comes. On a terminal it is a conversation, which the
model remembers: an empty line or Ctrl-D ends it, Ctrl-C stops an answer. With a question, or with one that comes
through a pipe, it answers once. On a terminal it says how long the first word and the whole took, and the tokens."""

EPILOG = f"""\
examples:
  realtime-azure chat --emulator
  realtime-azure chat --deployment gpt-4o --system 'Answer in French.'
  realtime-azure chat 'Name three rivers.' | head -1
  git diff | realtime-azure chat --system 'Write a commit message for this.'
  realtime-azure chat --json 'Hello!' | jq -r '.choices[0].delta.content // empty'

{resource.EXIT_CODES}"""

PROMPT = "you    > "
NAME = "answer > "


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "chat",
        help="talk to a chat model in writing",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", nargs="?", metavar="QUESTION", help="answer this and end; - is stdin")
    parser.add_argument("--system", metavar="TEXT", help="what the model is to be")
    parser.add_argument("--json", action="store_true", help="print the chunks of the answer, one JSON object a line")
    resource.add_to(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.question is None and sys.stdin.isatty():
        return _converse(options)
    anyio.run(_answer_once, options, resource.text_in(options.question, "the question"))
    return 0


@dataclass
class Answer:
    """What came of one; seconds are since the question."""

    text: str = ""
    first: float | None = None
    total: float | None = None
    finish_reason: str | None = None
    usage: CompletionUsage | None = None

    @property
    def flaw(self) -> str:
        """Why it is not all of the answer, or nothing."""
        reasons = {"length": "it was as long as it may be", "content_filter": "the content filter cut it"}
        return f"the answer is incomplete: {reasons[self.finish_reason]}" if self.finish_reason in reasons else ""

    def figures(self) -> str:
        """How long it took, and how many tokens."""
        took = [f"first token {self.first * 1000:.0f} ms"] if self.first is not None else []
        took += [f"total {self.total * 1000:.0f} ms"] if self.total is not None else []
        if self.usage is not None:
            took.append(f"{self.usage.prompt_tokens} tokens in · {self.usage.completion_tokens} out")
        return " · ".join(took)


class Page:
    """Where answers are written: on a terminal with their figures, in a pipe plain, or as JSON lines."""

    def __init__(self, out: TextIO | None = None, *, as_json: bool = False) -> None:
        self.out = out or sys.stdout
        self.as_json = as_json
        self.live = self.out.isatty() and not as_json
        self._screen = Screen(self.out)
        self._open = False

    def begin(self) -> None:
        """An answer of a conversation is to come."""
        if self.live:
            self._write(NAME)
            self._open = True

    def chunk(self, chunk: ChatCompletionChunk, text: str) -> None:
        """Writes *chunk*, or the *text* that is in it."""
        if self.as_json:
            self._write(json.dumps(chunk.model_dump(mode="json", exclude_unset=True)) + "\n")
        elif text:
            self._write(shown(text, self.out))
            self._open = not text.endswith("\n")

    def end(self, answer: Answer, *, stopped: bool = False) -> None:
        """Says what there is to say about *answer*."""
        self.close()
        if self.live:
            notes = [*(["stopped"] if stopped else []), *filter(None, (answer.flaw, answer.figures()))]
            self._screen.note(f"({' · '.join(notes)})")
        elif answer.flaw:
            complain("chat", answer.flaw)

    def close(self) -> None:
        """Ends the line, if there is one."""
        if self._open:
            self._open = False
            self._write("\n")

    def _write(self, text: str) -> None:
        # Whoever read this has gone (`| head`): that ends the command.
        self.out.write(text)
        self.out.flush()


class Talk:
    """A conversation: what was said, and how the next answer comes."""

    def __init__(self, client: RestClient, page: Page, system: str | None = None) -> None:
        self.messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
        self._begun = len(self.messages)
        self._client = client
        self._page = page

    @property
    def answered(self) -> bool:
        """Whether there was an answer already."""
        return len(self.messages) > self._begun

    async def ask(self, question: str, stop: CancelScope) -> None:
        """Shows the answer to *question*; *stop* ends it early.

        What was said of it is remembered, for the model to go on from. Raises `RealtimeError`, and remembers nothing.
        """
        asked = [*self.messages, {"role": "user", "content": question}]
        answer = Answer()
        try:
            with stop, told():
                await self._receive(asked, answer)
        finally:
            self._page.close()
        self._page.end(answer, stopped=stop.cancelled_caught)
        if answer.text:
            self.messages = [*asked, {"role": "assistant", "content": answer.text}]

    async def _receive(self, messages: list[dict[str, str]], answer: Answer) -> None:
        start = current_time()
        wish: ChatOptions = {}
        if self._page.live or self._page.as_json:  # not every version knows this: only for who sees the figures
            wish["stream_options"] = {"include_usage": True}
        stream = await self._client.chat.completions.create(messages=messages, stream=True, **wish)
        async with stream:
            async for chunk in stream:
                text = _text_of(chunk)
                if text and answer.first is None:
                    answer.first = current_time() - start
                answer.text += text
                answer.usage = chunk.usage or answer.usage
                for choice in chunk.choices:
                    answer.finish_reason = choice.finish_reason or answer.finish_reason
                self._page.chunk(chunk, text)
        answer.total = current_time() - start


def _text_of(chunk: ChatCompletionChunk) -> str:
    """What *chunk* says, be it that the model will not answer."""
    refusal = "".join(choice.delta.refusal or "" for choice in chunk.choices if choice.delta and not choice.index)
    return chunk.text + refusal


async def _answer_once(options: argparse.Namespace, question: str) -> None:
    async with resource.opened(options) as client:
        await Talk(client, Page(as_json=options.json), options.system).ask(question, CancelScope())


def _converse(options: argparse.Namespace) -> int:
    """The event loop has a thread of its own, for lines to be read, and Ctrl-C to be told, in this one."""
    with suppress(ImportError):
        import_module("readline")  # editing and history, where the machine has it
    interrupted = False
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(resource.opened(options)) as client:
        page = Page(as_json=options.json)
        talk = Talk(client, page, options.system)
        try:
            while question := _line(page):
                _ask(portal, talk, page, question)
        except KeyboardInterrupt:  # not through the portal, whose event loop would take it for its own
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return 0


def _line(page: Page) -> str:
    """What the user says next; nothing at the end."""
    prompt = PROMPT if page.live else ""
    if not page.live:
        print(PROMPT, end="", file=sys.stderr, flush=True)
    try:
        return input(prompt).strip()
    except EOFError:
        print(file=page.out if page.live else sys.stderr)
        return ""
    except UnicodeDecodeError:
        complain("chat", "that was no text: it has to be UTF-8")
        return _line(page)


def _ask(portal: BlockingPortal, talk: Talk, page: Page, question: str) -> None:
    """Returns when *question* is answered, or the answer is stopped."""
    page.begin()
    stop = portal.call(CancelScope)
    asking = portal.start_task_soon(talk.ask, question, stop)
    try:
        try:
            asking.result()
        except KeyboardInterrupt:
            portal.call(stop.cancel)
            asking.result()
    except RealtimeError as exc:
        if not talk.answered:  # nothing is lost; and what is wrong now is wrong the next time
            raise
        complain("chat", exc)
