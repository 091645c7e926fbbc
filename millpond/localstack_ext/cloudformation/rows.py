"""What one row of the table of resource types says, and what follows from it for a resource's properties.

Nothing here calls anybody: a row and a resource's properties give the arguments of an operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any

from millpond.localstack_ext.cloudformation.shaping import NoSuchMember, member_of, shaped

Properties = dict[str, Any]
# Where an argument comes from: a property's path ("TableInput.Name"), a structure or list of sources, a
# function of the properties, or "..." for a structure of all the properties that it has members for.
Source = str | EllipsisType | Mapping[str, Any] | list[Any] | Callable[[Properties], Any]


@dataclass(frozen=True)
class Always:
    """An argument that is the same for every resource."""

    value: Any


@dataclass(frozen=True)
class Call:
    """An operation, and how properties become its arguments.

    Parameters
    ----------
    operation : str
        Name in the service's API.
    takes : mapping of str to source
        Argument to what it is taken from. Every other property goes to the argument of its own name.
    when : frozenset of str
        The properties that it is for: it is called only if one of them is there or changes. Always, if empty.
    whole : bool
        Whether an update sets everything anew, so that a property that is not given any more is unset.
    """

    operation: str
    takes: Mapping[str, Any] = field(default_factory=dict)
    when: frozenset[str] = frozenset()
    whole: bool = False


@dataclass(frozen=True)
class Ready:
    """When a resource can be used.

    Parameters
    ----------
    path : str
        Where the answer of the reading operation has the status.
    done : str
        The status of a resource that can be used.
    """

    path: str
    done: str = "ACTIVE"


@dataclass(frozen=True)
class Row:
    """How CloudFormation's verbs are said in a service's API.

    Parameters
    ----------
    service : str
        Name in botocore.
    ref : tuple of str
        Properties whose values, with ``|`` between them, are the physical id.
    create, delete : Call
        Make the resource, and remove it.
    update : tuple of Call
        Change it; with none, no property can be changed in place.
    then : tuple of Call
        What else sets properties of a resource that was just made.
    read : Call, optional
        Describes it.
    found : str
        Where the answer to ``read`` has the resource; empty for the answer itself.
    name : tuple of str
        Paths that hold its name. The first that is given is the name; one is made up if none is.
    plain : bool
        Whether a name that is made up has small letters alone.
    attributes : mapping of str to str
        Attribute to what it is: a text with properties, ``{account}``, ``{region}`` and ``{partition}`` in
        braces, or the path in an answer. Attributes of the schema come from answers by themselves.
    arn : str
        What its tags are of, written like an attribute.
    shown : mapping of str to str
        Property to where the description of the resource has it, if not under its own name.
    untold : tuple of str
        Properties that the description does not have.
    unset : mapping of str to object
        Property to what an update sends when it is not given any more.
    replaces : tuple of str
        JSON pointers of properties that replace the resource, beyond those of the schema.
    tag, untag : Call, optional
        Add and remove tags, from ``Added`` and ``Removed``; found in the service's API unless given.
    ready : Ready, optional
        For a resource that is made in the background.
    derive : callable, optional
        Takes the clients and the properties, and gives further ones for the operations alone.
    derived : frozenset of str
        The properties that it is made of.
    """

    service: str
    ref: tuple[str, ...]
    create: Call
    delete: Call
    update: tuple[Call, ...] = ()
    then: tuple[Call, ...] = ()
    read: Call | None = None
    described_at: str = ""
    name: tuple[str, ...] = ()
    plain: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    arn: str = "{Arn}"
    shown: Mapping[str, str] = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    unset: Mapping[str, Any] = field(default_factory=dict)
    replaces: tuple[str, ...] = ()
    tag: Call | None = None
    untag: Call | None = None
    ready: Ready | None = None
    derive: Callable[[Any, Properties], Properties] | None = None
    derived: frozenset[str] = frozenset()

    @property
    def named(self) -> frozenset[str]:
        """The properties that hold the name."""
        return frozenset(path.split(".")[0] for path in self.name)


class Refusal(Exception):  # noqa: N818
    """What cannot be done to a resource, in words for the person who wrote the template."""


class _Used(dict[str, Any]):
    """Properties that remember which of them were read."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        super().__init__(properties)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def items(self) -> Any:
        self.names |= set(self)
        return super().items()


def value_at(value: Any, path: str) -> Any:
    """What lies at a path with dots; None if nothing does."""
    for name in path.split(".") if path else ():
        if isinstance(value, list):
            value = value[int(name)] if name.isdigit() and int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def put_at(properties: Properties, path: str, value: Any) -> Properties:
    """The properties with a value at a path with dots."""
    first, _, rest = path.partition(".")
    inner = properties.get(first)
    return {**properties, first: put_at(dict(inner or {}), rest, value) if rest else value}


def arguments_of(
    call: Call, shape: Any, properties: Properties, read_only: Iterable[str] = ()
) -> tuple[Properties, set[str]]:
    """The arguments of an operation.

    Parameters
    ----------
    call : Call
        Which operation.
    shape : botocore.model.StructureShape
        What it takes.
    properties : dict
        The resource's.
    read_only : iterable of str
        Those that the service has set: only an argument that is required is taken from them.

    Returns
    -------
    tuple of dict and set of str
        The arguments, and the properties that they are made of.

    Raises
    ------
    NoSuchMember
        If a part of a property has no place in them.
    """
    used = _Used(properties)
    result: Properties = {}
    for argument, source in call.takes.items():
        if source is not ...:
            value = _taken(source, used)
            if value is not None:
                result[argument] = shaped(shape.members[argument], value, argument)
    moved = {source for source in call.takes.values() if isinstance(source, str)}
    by_service = set(read_only)
    for argument, source in call.takes.items():
        if source is ...:
            result[argument] = _by_name(shape.members[argument], used, moved, by_service)
    return {**_by_name(shape, used, moved, by_service, frozenset(result)), **result}, used.names


def _by_name(
    shape: Any, properties: _Used, moved: set[str], by_service: set[str], taken: frozenset[str] = frozenset()
) -> Properties:
    """The members of a structure that properties of their own names go to."""
    result = {}
    for name in properties:
        member = member_of(shape, name)
        if member is None or member in taken or name in moved:
            continue
        if name in by_service and member not in shape.required_members:
            continue
        result[member] = shaped(shape.members[member], properties[name], name)
    return result


def _taken(source: Any, properties: _Used) -> Any:
    if isinstance(source, Always):
        return source.value
    if isinstance(source, str):
        first, _, rest = source.partition(".")
        return value_at(properties.get(first), rest) if rest else properties.get(first)
    if isinstance(source, Mapping):
        inner = {name: _taken(member, properties) for name, member in source.items()}
        return {name: value for name, value in inner.items() if value is not None} or None
    if isinstance(source, list):
        items = [_taken(item, properties) for item in source]
        return None if None in items else items
    return source(properties)


def text_of(template: str, properties: Mapping[str, Any]) -> str:
    """A text with properties in it.

    >>> text_of("arn:aws:glue:{region}:job/{Name}", {"region": "eu-west-1", "Name": "load"})
    'arn:aws:glue:eu-west-1:job/load'
    """
    return re.sub(r"\{([\w.]+)\}", lambda match: str(value_at(properties, match[1]) or ""), template)


def physical_id(row: Row, properties: Mapping[str, Any]) -> str:
    """What ``Ref`` of a resource is."""
    parts = (value_at(properties, path) for path in row.ref)
    return "|".join(",".join(map(str, part)) if isinstance(part, list) else str(part) for part in parts)


__all__ = [
    "Always",
    "Call",
    "NoSuchMember",
    "Properties",
    "Ready",
    "Refusal",
    "Row",
    "arguments_of",
    "physical_id",
    "put_at",
    "text_of",
    "value_at",
]
