"""What a service's API model says of its requests: the lengths, ranges, patterns and values of members.

AWS checks them before it looks at anything else and answers ``ValidationException`` with every problem there
is, in the words used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import regex  # type: ignore[import-untyped]
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.session import Session

# Java writes the characters beyond the first plane as pairs of surrogates; Python knows them as they are.
_SURROGATES = regex.compile(r"\\uD800\\uDC00-\\uDBFF\\uDFFF", regex.IGNORECASE)


def _of_botocore(service: str) -> Any:
    return Session().get_service_model(service)


_reader: list[Callable[[str], Any]] = [_of_botocore]


def read_by(reader: Callable[[str], Any]) -> None:
    """Have models read by somebody who has them already: that of EC2 takes many megabytes.

    Parameters
    ----------
    reader : callable
        Name of a service → ``botocore.model.ServiceModel``.
    """
    _reader[:] = [reader]
    model.cache_clear()


@cache
def model(service: str) -> Any:
    """The model of a service, ``botocore.model.ServiceModel``, read once."""
    return _reader[0](service)


@cache
def _pattern(text: str) -> regex.Pattern[str]:
    return regex.compile(_SURROGATES.sub(r"\\U00010000-\\U0010FFFF", text))


def problems(service: str, operation: str, request: Mapping[str, Any]) -> list[str]:
    """Everything in a request that the model does not allow.

    Parameters
    ----------
    service, operation : str
        As botocore names them, for example ``glue`` and ``CreateTable``.
    request : mapping
        The request.

    Examples
    --------
    >>> problems("glue", "GetDatabase", {"Name": ""})
    ["Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1"]
    """
    shape = model(service).operation_model(operation).input_shape
    return list(_of(shape, request, "")) if shape is not None else []


def message(errors: list[str]) -> str:
    """The problems as AWS words them in one message."""
    return f"{len(errors)} validation error{'s' if len(errors) > 1 else ''} detected: {'; '.join(errors)}"


def _of(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        yield from _of_structure(shape, value, path)
    elif isinstance(shape, ListShape) and isinstance(value, list | tuple):
        yield from _of_length(shape, value, path)
        for number, member in enumerate(value, 1):
            yield from _of_inner(shape.member, member, f"{path}.{number}.member")
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        yield from _of_length(shape, value, path)
        yield from _of_keys(shape.key, value, path)
        for key, item in value.items():
            yield from _of_inner(shape.value, item, f"{path}.{key}.member")
    elif shape.type_name == "string" and isinstance(value, str):
        yield from _of_text(shape, value, path)
    elif shape.type_name in ("integer", "long", "double", "float") and isinstance(value, int | float):
        yield from _of_number(shape, value, path)


def _of_inner(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """What is wrong with an item of a list or a value of a map, which is never null."""
    if value is None:
        yield f"Value null at '{path}' failed to satisfy constraint: Member must not be null"
    else:
        yield from _of(shape, value, path)


def _of_keys(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    """What is wrong with the keys of a map, which AWS says of the map."""
    wanted = []
    if (least := shape.metadata.get("min")) is not None:
        wanted.append(f"Member must have length greater than or equal to {least}")
    if (most := shape.metadata.get("max")) is not None:
        wanted.append(f"Member must have length less than or equal to {most}")
    if pattern := shape.metadata.get("pattern"):
        wanted.append(f"Member must satisfy regular expression pattern: {pattern}")
    if shape.enum:
        wanted = [f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"]
    if any(next(_of(shape, key, ""), None) for key in value):
        text = f"Map keys must satisfy constraint: [{', '.join(wanted)}]"
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: {text}"


def _of_structure(shape: StructureShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        inner = f"{path}.{name[0].lower()}{name[1:]}".lstrip(".")
        if value.get(name) is None:
            if name in shape.required_members:
                yield f"Value null at '{inner}' failed to satisfy constraint: Member must not be null"
        else:
            yield from _of(member, value[name], inner)


def _of_length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        yield _text(value, path, f"have length greater than or equal to {least}")
    if most is not None and len(value) > most:
        yield _text(value, path, f"have length less than or equal to {most}")


def _of_text(shape: Any, value: str, path: str) -> Iterator[str]:
    if shape.enum:
        if value not in shape.enum:
            yield _text(value, path, f"satisfy enum value set: [{', '.join(shape.enum)}]")
        return
    yield from _of_length(shape, value, path)
    pattern = shape.metadata.get("pattern")
    if pattern and not _pattern(pattern).fullmatch(value):
        yield _text(value, path, f"satisfy regular expression pattern: {pattern}")


def _of_number(shape: Shape, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield _text(value, path, f"have value greater than or equal to {least}")
    if most is not None and value > most:
        yield _text(value, path, f"have value less than or equal to {most}")


def _text(value: Any, path: str, wanted: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: Member must {wanted}"
