"""What every event and every part of one has in common: tolerant reading, frozen values, quiet reprs.

The modules of events do without `from __future__ import annotations`: pydantic would have to compile each annotation
again, at a tenth of the cost of importing this package.

Fields that all have. *type* is the wire's word for what it is, and *object* what OpenAI calls it; *id* is its own,
*event_id* an event's: the service's own, or the client's, which an error names.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pybase64
from pydantic import BaseModel, ConfigDict, PlainSerializer


def _standard_base64(audio: bytes) -> str:
    # pydantic's own base64 is the URL-safe alphabet; the service wants the standard one.
    return pybase64.b64encode(audio).decode("ascii")


Audio = Annotated[bytes, PlainSerializer(_standard_base64, return_type=str, when_used="json")]
"""Sound as `bytes` (PCM16 mono little-endian at 24 kHz unless the session says G.711); base64 on the wire."""


LONG = 1000
"""Text longer than this in a field that no class names may be sound in base64: a repr shows its length only."""


class _Length:
    """Stands for a value in a repr: how long it is, never what."""

    def __init__(self, value: bytes | str) -> None:
        self._shown = f"<{len(value)} {'bytes' if isinstance(value, bytes) else 'characters'}>"

    def __repr__(self) -> str:
        return self._shown


_SECRETS = frozenset({"authorization", "client_secret", "credential", "headers"})
"""Fields that hold what signs in, where no class names them: a repr leaves their values out."""


def _shown(name: str | None, value: Any) -> Any:
    """*value* of a field that no class names, as a repr may show it: no sound, and nothing that signs in."""
    if name in _SECRETS and value is not None:
        return _Hidden()
    match value:
        case dict():
            return {key: _shown(key, each) for key, each in value.items()}
        case list():
            return [_shown(name, each) for each in value]
        case bytes() | str() if isinstance(value, bytes) or len(value) > LONG:
            return _Length(value)
        case _:
            return value


class _Hidden:
    """Stands for a secret in a repr."""

    def __repr__(self) -> str:
        return "<hidden>"


class Part(BaseModel):
    """A piece of an event. What this version does not know is kept, and readable as an attribute.

    Parts compare by value, cannot be changed, and never show sound in their repr.
    """

    model_config = ConfigDict(
        frozen=True,
        # `wire.prepare` builds what reads and writes events; a class of its own is built when it is first used so.
        defer_build=True,
        extra="allow",
        strict=True,
        val_json_bytes="base64",
        hide_input_in_errors=True,
        # `model_` is a prefix that pydantic guards; the service has fields of that name.
        protected_namespaces=(),
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            known = name in type(self).model_fields
            if known and name not in self.model_fields_set:
                continue
            yield name, value if known and not isinstance(value, bytes) else _shown(name, value)


class Event(Part):
    """One message on the connection.

    `raw` is the message as it was received, at the cost of one reference; it is empty on an event made by
    hand, and lost by a copy or a pickle. `problems` says what in it could not be read and was left unset.
    """

    # Slots, not private attributes: those would cost a Python call for each event that is decoded.
    __slots__ = ("_problems", "_raw")

    # object.__getattribute__: pydantic's own lookup would find a field of the message that has the slot's name.

    @property
    def raw(self) -> bytes:
        """The message as received, or `b""`."""
        try:
            raw: bytes = object.__getattribute__(self, "_raw")
        except AttributeError:
            return b""
        return raw

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read and was left unset, one path and reason each; empty on a good event."""
        try:
            problems: tuple[str, ...] = object.__getattribute__(self, "_problems")
        except AttributeError:
            return ()
        return problems


OTHER = "<other>"


def item_tag(kind: str) -> str:
    """The tag of a member of a union: no field has such a name, so it stands out in the path of a problem."""
    return f"<{kind}>"


def tag_by_type(*known: str) -> Callable[[Any], str]:
    """A discriminator that reads *known* as themselves and anything newer as `OTHER`, so that it is kept."""

    def tag(value: Any) -> str:
        kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return item_tag(kind) if isinstance(kind, str) and kind in known else OTHER

    return tag
