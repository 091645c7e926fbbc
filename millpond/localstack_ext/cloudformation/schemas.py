"""What CloudFormation publishes of a resource type: its schema, as cfn-lint ships it.

Source: "Resource type schema" in the CloudFormation Command Line Interface User Guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# The region whose list names every type.
_REGION = "us-east-1"


@cache
def known_types() -> Mapping[str, str]:
    """Every published type, with the name of the file that describes it."""
    providers: Mapping[str, str] = json.loads((_directory() / "providers" / f"{_REGION}.json").read_text())
    return providers


@cache
def schema_of(kind: str) -> Mapping[str, Any]:
    """The schema of a type such as ``AWS::Glue::Job``.

    Raises
    ------
    KeyError
        If no such type is published.
    """
    name = known_types()[kind]
    schema: Mapping[str, Any] = json.loads((_directory() / "resources" / f"{name}.json").read_text())
    return schema


def _directory() -> Path:
    """Where cfn-lint keeps its schemas; importing it would take a second and 60 MB."""
    spec = find_spec("cfnlint")
    if spec is None or spec.origin is None:
        raise RuntimeError("cfn-lint is not installed in the engine's environment")
    return Path(spec.origin).parent / "data" / "schemas"


def members(pointer: str) -> list[str]:
    """The names on the way to a property that a JSON pointer of a schema gives."""
    return pointer.removeprefix("/properties/").split("/")


def at(value: Any, names: list[str]) -> Iterator[Any]:
    """What lies at a path of a resource's properties; ``*`` is every item of a list or mapping."""
    if not names:
        yield value
    elif names[0] == "*":
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for item in items:
            yield from at(item, names[1:])
    elif isinstance(value, dict) and names[0] in value:
        yield from at(value[names[0]], names[1:])


def changes_of(schema: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The properties that can only be set at creation and have another value now.

    Returns
    -------
    list of str
        Their paths with dots; the resource has to be replaced if there is one.
    """
    pointers = schema.get("createOnlyProperties") or ()
    return [
        ".".join(names)
        for names in map(members, pointers)
        if list(at(before, names)) != list(at(after, names))
    ]


def problems_of(schema: Mapping[str, Any], properties: Mapping[str, Any]) -> list[str]:
    """What is missing among the properties of a template, and what does not belong there."""
    known = schema.get("properties", {})
    read_only = {
        pointer[0] for pointer in map(members, schema.get("readOnlyProperties") or ()) if len(pointer) == 1
    }
    missing = [
        f"required key [{name}] not found" for name in schema.get("required") or () if name not in properties
    ]
    extra = [f"extraneous key [{name}] is not permitted" for name in properties if name not in known]
    set_by_service = [
        f"extraneous key [{name}] is not permitted"
        for name in properties
        if name in read_only and name in known
    ]
    return missing + extra + set_by_service
