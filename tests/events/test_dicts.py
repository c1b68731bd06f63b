"""The plain dicts are the models, field by field."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from realtime_azure.events import OtherItem, OtherTool, dicts, encode
from realtime_azure.events._base import Part

from .messages import CLIENT_CLASSES, parts_below

# What this version has no class for has no dict either: it is sent with *extra*, which no type checker looks into.
SENT = sorted(
    {part for event_class in CLIENT_CLASSES for part in parts_below(event_class)} - {OtherItem, OtherTool},
    key=lambda part: part.__name__,
)
DICTS: dict[str, Any] = {name: made for name, made in vars(dicts).items() if is_typeddict(made)}


def twin(part: type[Part]) -> Any:
    return DICTS[f"{part.__name__}Dict"]


def members(annotation: Any) -> list[Any]:
    """The members of a union, however deep it is nested; of anything else, itself."""
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return [each for member in get_args(annotation) for each in members(member)]
    return [annotation]


Shape = frozenset[Any]


def said(annotation: Any) -> Shape:
    """What may be given for *annotation*, to compare: unions without order, collections by what is in them."""
    return frozenset(each for member in members(annotation) for each in said_alone(member))


def said_alone(member: Any) -> list[Any]:
    if get_origin(member) is Literal:
        return [("literal", value) for value in get_args(member)]
    if get_args(member):
        name = get_origin(member).__name__
        return [({"list": "Sequence", "dict": "Mapping"}.get(name, name), *map(said, get_args(member)))]
    return [member]


def closed(annotation: Any) -> Shape:
    """What may be given for a field of a model: a set of names is closed, a part may be a dict, sound any bytes."""
    found: set[Any] = set()
    names = [member for member in members(annotation) if get_origin(member) is Literal]
    for member in members(annotation):
        if member is str and names:
            continue
        if isinstance(member, type) and issubclass(member, Part):
            found |= set() if member in {OtherItem, OtherTool} else {member, twin(member)}
        elif member is bytes:
            found |= {bytes, bytearray, memoryview}
        elif get_origin(member) in {list, dict}:
            name = "Sequence" if get_origin(member) is list else "Mapping"
            found.add((name, *map(closed, get_args(member))))
        else:
            found |= said(member)
    return frozenset(found)


def test_there_is_a_dict_for_every_part_that_can_be_sent_and_no_other() -> None:
    wanted = {f"{part.__name__}Dict" for part in SENT}
    assert set(DICTS) == wanted


def test_every_dict_is_promised() -> None:
    assert set(dicts.__all__) == {*DICTS, "ItemDict"}


@pytest.mark.parametrize("part", SENT)
def test_a_dict_has_the_fields_of_its_model(part: type[Part]) -> None:
    assert list(get_type_hints(twin(part))) == list(part.model_fields)


@pytest.mark.parametrize("part", SENT)
def test_a_dict_needs_what_its_model_needs(part: type[Part]) -> None:
    hints = get_type_hints(twin(part), include_extras=True)
    needed = {name for name, hint in hints.items() if get_origin(hint) is Required}
    assert needed == {name for name, field in part.model_fields.items() if field.is_required()}


@pytest.mark.parametrize("part", SENT)
def test_a_field_of_a_dict_takes_what_the_field_of_its_model_takes(part: type[Part]) -> None:
    """But for names that are newer than this version: reading takes them, writing does not."""
    hints = get_type_hints(twin(part))
    for name, annotation in get_type_hints(part, include_extras=True).items():
        if name in part.model_fields:
            assert said(hints[name]) == closed(annotation), name


def test_an_item_as_a_dict_is_of_any_kind_of_item() -> None:
    kinds = [part for part in SENT if "status" in part.model_fields]
    assert set(get_args(dicts.ItemDict)) == {twin(part) for part in kinds}


# What a type checker lets pass, goes.


def examples(annotation: Any) -> list[Any]:
    """A value or two of what *annotation* says."""
    if annotation is Any:
        return [{"k": 1}]
    made: list[Any] = []
    for member in members(annotation):
        if is_typeddict(member):
            made.append(filled(member))
        elif get_origin(member) is Literal:
            made += get_args(member)
        elif get_args(member):
            inside = examples(get_args(member)[-1])
            made.append(inside if get_origin(member).__name__ == "Sequence" else {"k": inside[0]})
        elif isinstance(member, type) and not issubclass(member, Part):
            made.append(VALUES[member])
    return made


VALUES: dict[type[Any], Any] = {
    str: "x",
    int: 5,
    float: 0.5,
    bool: True,
    bytes: b"\0\1",
    bytearray: bytearray(b"\0\1"),
    memoryview: memoryview(b"\0\1"),
    type(None): None,
}


def filled(made_of: Any) -> dict[str, Any]:
    return {name: examples(annotation)[0] for name, annotation in get_type_hints(made_of).items()}


CARRIERS: list[tuple[str, str, Any]] = [
    ("session.update", "session", dicts.SessionConfigDict),
    ("transcription_session.update", "session", dicts.TranscriptionConfigDict),
    ("response.create", "response", dicts.ResponseConfigDict),
    *(("conversation.item.create", "item", made) for made in get_args(dicts.ItemDict)),
]


@pytest.mark.parametrize(
    ("kind", "field", "whole", "one"),
    [
        pytest.param(kind, field, filled(made), {name: value}, id=f"{made.__name__}-{name}-{value!r:.40}")
        for kind, field, made in CARRIERS
        for name, annotation in get_type_hints(made).items()
        for value in examples(annotation)
    ],
)
def test_what_a_dict_allows_is_not_refused(kind: str, field: str, whole: dict[str, Any], one: dict[str, Any]) -> None:
    assert encode({"type": kind, field: whole | one})
