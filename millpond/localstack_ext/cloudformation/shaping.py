"""Values of a template in the types of an API: a template has numbers and booleans as text.

The shapes are botocore's; a member that the API does not have is a mistake and named, never left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


class NoSuchMember(Exception):  # noqa: N818
    """A property that the API has no place for; the argument is its path."""


def shaped(shape: Any, value: Any, path: str = "") -> Any:
    """A value as a shape of botocore has it.

    Parameters
    ----------
    shape : botocore.model.Shape
        What the API takes.
    value
        What the template says.
    path : str
        Where it lies, for the error.

    Raises
    ------
    NoSuchMember
        If a structure of the API has no member of a property's name.
    """
    convert = _CONVERSIONS.get(shape.type_name)
    return value if convert is None else convert(shape, value, path)


def member_of(shape: Any, name: str) -> str | None:
    """The member of a structure that a property means: APIs write some names with a small first letter."""
    if name in shape.members:
        return name
    wanted = name.lower()
    return next((member for member in shape.members if member.lower() == wanted), None)


def as_mapping(tags: Any) -> dict[str, str]:
    """Tags of a template, which are a mapping or a list of keys and values, as a mapping."""
    if not tags:
        return {}
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items()}
    return {_tag(tag, "key"): _tag(tag, "value") for tag in tags}


def _tag(tag: Mapping[str, Any], part: str) -> str:
    return next(str(value) for name, value in tag.items() if name.lower() in (part, f"tag{part}"))


def _structure(shape: Any, value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        return value
    result = {}
    for name, item in value.items():
        member = member_of(shape, name)
        if member is None:
            raise NoSuchMember(f"{path}.{name}".lstrip("."))
        result[member] = shaped(shape.members[member], item, f"{path}.{name}")
    return result


def _map(shape: Any, value: Any, path: str) -> Any:
    if isinstance(value, list):
        return as_mapping(value)
    if not isinstance(value, Mapping):
        return value
    return {str(name): shaped(shape.value, item, f"{path}.{name}") for name, item in value.items()}


def _list(shape: Any, value: Any, path: str) -> Any:
    if (
        isinstance(value, Mapping)
        and shape.member.type_name == "structure"
        and len(shape.member.members) == 2
    ):
        key, text = sorted(shape.member.members, key=str.lower)
        value = [{key: name, text: item} for name, item in value.items()]
    if not isinstance(value, list):
        return value
    return [shaped(shape.member, item, path) for item in value]


def _boolean(_shape: Any, value: Any, _path: str) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _text(_shape: Any, value: Any, _path: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        return json.dumps(value)
    return str(value)


_CONVERSIONS: Mapping[str, Callable[[Any, Any, str], Any]] = {
    "structure": _structure,
    "map": _map,
    "list": _list,
    "integer": lambda _shape, value, _path: int(value),
    "long": lambda _shape, value, _path: int(value),
    "float": lambda _shape, value, _path: float(value),
    "double": lambda _shape, value, _path: float(value),
    "boolean": _boolean,
    "string": _text,
}
