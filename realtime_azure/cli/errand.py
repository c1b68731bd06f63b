"""What was asked of the service, and whether all of it was answered. Pure."""

from __future__ import annotations

from ..calls import Call, Calls
from ..events import ClientEvent, ErrorEvent, ResponseCreated, ResponseDone, ServerEvent


class Errand:
    """What was asked of the service, and what of it is still owed: an answer to each event, an end to each response."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self._complete = False
        self._greeted = False
        self._calls = Calls()
        self._open: list[Call] = []
        self._responses: set[str | None] = set()

    @property
    def settled(self) -> bool:
        """Whether nothing is owed."""
        return not self._open and not self._responses

    @property
    def over(self) -> bool:
        """Whether nothing is owed, and nothing more will be asked."""
        return self._complete and self._greeted and self.settled

    def ask(self, event: ClientEvent) -> None:
        """*event* is about to be sent."""
        if (call := self._calls.begin(event, awaited=True)) is not None:
            self._open.append(call)

    def complete(self) -> None:
        """All is sent."""
        self._complete = True

    def hear(self, event: ServerEvent) -> None:
        """*event* has come."""
        self._greeted = True
        self._calls.settle(event)
        if isinstance(event, ErrorEvent) and event.error.event_id is None and self._open:
            self._calls.forget(self._open[0])
            self._open[0].settle(event)  # it names nobody, and may be all that is said to the oldest
        for call in [call for call in self._open if call.settled.is_set()]:
            self._open.remove(call)
            self._settle(call)
        if isinstance(event, ResponseDone):
            self._end(event)

    def _settle(self, call: Call) -> None:
        if (rejection := call.rejection()) is not None:
            self.refusals.append(str(rejection))
        elif isinstance(call.answer, ResponseCreated):
            self._responses.add(call.answer.response.id)

    def _end(self, event: ResponseDone) -> None:
        response = event.response
        if response.id is not None and response.id not in self._responses:
            return
        self._responses = self._responses - {response.id} if response.id is not None else set()
        if response.status == "failed":
            error = response.status_details.error if response.status_details else None
            self.refusals.append(f"the response failed: {(error and error.message) or 'no reason given'}")
