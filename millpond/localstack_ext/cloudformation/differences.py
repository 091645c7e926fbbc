"""How a resource differs from its template, as drift detection shows it.

Source: "PropertyDifference" in the CloudFormation API Reference: only properties that the template gives are
compared, and what CloudFormation cannot read back is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from millpond.localstack_ext.cloudformation import schemas


def differences(
    schema: Mapping[str, Any], expected: Mapping[str, Any], actual: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Where a resource is not what its template says.

    Parameters
    ----------
    schema : mapping
        The type's.
    expected : mapping
        The properties of the template, their references resolved.
    actual : mapping
        Those that the service describes.

    Returns
    -------
    list of dict
        ``PropertyDifference`` of the API.
    """
    hidden = [schemas.members(pointer) for pointer in schema.get("writeOnlyProperties") or ()]
    result = []
    for name, value in expected.items():
        if name == "Tags" and name not in actual:
            continue
        result += list(_between(value, actual.get(name), [name], hidden))
    return result


def _between(
    expected: Any, actual: Any, path: list[str], hidden: list[list[str]]
) -> Iterator[dict[str, str]]:
    if any(_covers(pointer, path) for pointer in hidden):
        return
    actual = _unwritten(expected, actual)
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        named = {str(name).lower(): value for name, value in actual.items()}
        for name, value in expected.items():
            yield from _between(value, named.get(str(name).lower()), [*path, str(name)], hidden)
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        if all(isinstance(item, Mapping | list) for item in expected):
            for index, (was, now) in enumerate(zip(expected, actual, strict=True)):
                yield from _between(was, now, [*path, str(index)], hidden)
        elif sorted(map(_text, expected)) != sorted(map(_text, actual)):
            yield _difference(path, expected, actual)
    elif _text(expected) != _text(actual) and not (
        actual is None and expected in ("", [], {}, False, "false")
    ):
        yield _difference(path, expected, actual)


def _covers(pointer: list[str], path: list[str]) -> bool:
    return len(pointer) <= len(path) and all(
        step in ("*", name) for step, name in zip(pointer, path, strict=False)
    )


def _unwritten(expected: Any, actual: Any) -> Any:
    """What was written into a text, where the template has it open."""
    if isinstance(expected, Mapping | list) and isinstance(actual, str):
        try:
            return json.loads(actual)
        except ValueError:
            return actual
    return actual


def _text(value: Any) -> str:
    """A value in the words of a template, in which ``"1"``, ``1`` and ``1.0`` are the same."""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        return (
            json.dumps(value, sort_keys=True, default=str)
            if isinstance(value, Mapping | list)
            else str(value)
        )


def _difference(path: list[str], expected: Any, actual: Any) -> dict[str, str]:
    return {
        "PropertyPath": "/" + "/".join(path),
        "ExpectedValue": _shown(expected),
        "ActualValue": "null" if actual is None else _shown(actual),
        "DifferenceType": "REMOVE" if actual is None else "NOT_EQUAL",
    }


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
