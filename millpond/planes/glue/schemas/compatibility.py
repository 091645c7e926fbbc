"""Whether data that was written with one schema can be read with another.

Avro: "Schema Resolution" in the Avro specification. JSON Schema: what the writer lets through the reader must
let through, property by property; a property that the writer does not name may be named by the reader.
Protobuf: "Updating A Message Type" in its language guide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from millpond.planes.glue.schemas import protobuf

Schema = Any
Problems = Iterator[str]

# Types that Avro's readers widen to.
_AVRO_WIDER: Mapping[str, frozenset[str]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
_AVRO_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_AVRO_PARTS = {"array": "items", "map": "values"}
_AVRO_NAMED = ("record", "enum", "fixed", "error")


def parse(data_format: str, text: str) -> Schema:
    """Read a schema.

    Parameters
    ----------
    data_format : str
        ``AVRO``, ``JSON`` or ``PROTOBUF``.
    text : str
        The definition.

    Raises
    ------
    ValueError
        If it is none.
    """
    if data_format == "PROTOBUF":
        return protobuf.parse(text)
    schema = json.loads(text)
    if data_format == "AVRO":
        _check_avro(schema, set())
    else:
        _check_json(schema)
    return schema


def canonical(data_format: str, text: str) -> str:
    """The same for two definitions that differ in nothing but their spaces."""
    if data_format == "PROTOBUF":
        return " ".join(text.split())
    return json.dumps(json.loads(text), sort_keys=True)


def problems(data_format: str, reader: Schema, writer: Schema) -> list[str]:
    """Why data of the writer cannot be read; empty if they can."""
    if data_format == "PROTOBUF":
        return list(protobuf.problems(reader, writer))
    if data_format == "JSON":
        return list(_json_problems(reader, writer, "#"))
    return list(_avro_problems(reader, writer, _names(reader), _names(writer), ""))


def incompatible(mode: str, data_format: str, new: Schema, olds: Iterable[Schema]) -> list[str]:
    """Why a new version does not fit the old ones.

    Parameters
    ----------
    mode : str
        ``Compatibility`` of the schema.
    data_format : str
        Its format.
    new : schema
        The new version.
    olds : iterable of schema
        The newest first; only that one is looked at unless the mode ends in ``_ALL``.
    """
    known = list(olds)
    if mode in ("NONE", "DISABLED") or not known:
        return []
    kind, _, reach = mode.partition("_")
    found: list[str] = []
    for old in known if reach == "ALL" else known[:1]:
        if kind in ("BACKWARD", "FULL"):
            found += problems(data_format, new, old)
        if kind in ("FORWARD", "FULL"):
            found += problems(data_format, old, new)
    return found


# Avro


def _check_avro(schema: Schema, names: set[str]) -> None:
    if isinstance(schema, list):
        for one in schema:
            _check_avro(one, names)
        return
    if isinstance(schema, str):
        if schema not in _AVRO_PRIMITIVES and schema not in names:
            raise ValueError(f"unknown type {schema}")
        return
    if not isinstance(schema, dict) or "type" not in schema:
        raise ValueError("a schema must have a type")
    kind = schema["type"]
    if kind in _AVRO_NAMED:
        _check_avro_named(schema, names)
    elif kind in _AVRO_PARTS:
        _check_avro(schema[_AVRO_PARTS[kind]], names)
    else:
        _check_avro(kind, names)


def _check_avro_named(schema: Mapping[str, Any], names: set[str]) -> None:
    if not schema.get("name"):
        raise ValueError(f"a {schema['type']} must have a name")
    names.add(schema["name"])
    if schema.get("namespace"):
        names.add(f"{schema['namespace']}.{schema['name']}")
    for field in schema["fields"] if schema["type"] in ("record", "error") else []:
        if not field.get("name"):
            raise ValueError("a field must have a name")
        _check_avro(field["type"], names)


def _names(schema: Schema) -> dict[str, Schema]:
    found: dict[str, Schema] = {}

    def walk(one: Schema) -> None:
        if isinstance(one, list):
            for inner in one:
                walk(inner)
        elif isinstance(one, dict):
            if one.get("type") in _AVRO_NAMED:
                found[one["name"]] = one
                found[f"{one.get('namespace', '')}.{one['name']}"] = one
            for field in one.get("fields") or []:
                walk(field["type"])
            for member in ("items", "values", "type"):
                if isinstance(one.get(member), dict | list):
                    walk(one[member])

    walk(schema)
    return found


def _avro_kind(schema: Schema, names: Mapping[str, Schema]) -> tuple[str, Schema]:
    if isinstance(schema, list):
        return "union", schema
    if isinstance(schema, str):
        return (schema, schema) if schema in _AVRO_PRIMITIVES else (names[schema]["type"], names[schema])
    if isinstance(schema["type"], dict | list):
        return _avro_kind(schema["type"], names)
    if schema["type"] in (*_AVRO_NAMED, "array", "map"):
        return schema["type"], schema
    return _avro_kind(schema["type"], names)


def _avro_problems(
    reader: Schema, writer: Schema, readers: Mapping[str, Schema], writers: Mapping[str, Schema], path: str
) -> Problems:
    read_kind, read = _avro_kind(reader, readers)
    write_kind, write = _avro_kind(writer, writers)
    if write_kind == "union":
        for one in write:
            yield from _avro_problems(reader, one, readers, writers, path)
    elif read_kind == "union":
        if not any(not list(_avro_problems(one, writer, readers, writers, path)) for one in read):
            yield f"{path or '/'}: no type of the reader's union reads {write_kind}"
    elif read_kind == write_kind:
        yield from _avro_same(read_kind, read, write, readers, writers, path)
    elif read_kind not in _AVRO_WIDER.get(write_kind, ()):
        yield f"{path or '/'}: {read_kind} does not read {write_kind}"


def _avro_same(
    kind: str,
    read: Schema,
    write: Schema,
    readers: Mapping[str, Schema],
    writers: Mapping[str, Schema],
    path: str,
) -> Problems:
    if kind in ("record", "error"):
        yield from _avro_records(read, write, readers, writers, path)
    elif kind in _AVRO_PARTS:
        part = _AVRO_PARTS[kind]
        yield from _avro_problems(read[part], write[part], readers, writers, f"{path}/{part}")
    elif kind == "enum":
        missing = set(write["symbols"]) - set(read["symbols"])
        if missing and "default" not in read:
            yield f"{path or '/'}: the reader's enum has no {', '.join(sorted(missing))}"
    elif kind == "fixed" and read["size"] != write["size"]:
        yield f"{path or '/'}: fixed of {read['size']} and of {write['size']} bytes"


def _avro_records(
    read: Schema, write: Schema, readers: Mapping[str, Schema], writers: Mapping[str, Schema], path: str
) -> Problems:
    if read["name"].rpartition(".")[2] != write["name"].rpartition(".")[2]:
        yield f"{path or '/'}: record {read['name']} does not read {write['name']}"
    written = {field["name"]: field for field in write["fields"]}
    for field in read["fields"]:
        names = [field["name"], *(field.get("aliases") or [])]
        found = next((written[name] for name in names if name in written), None)
        if found is not None:
            inner = f"{path}/{field['name']}"
            yield from _avro_problems(field["type"], found["type"], readers, writers, inner)
        elif "default" not in field:
            yield f"{path}/{field['name']}: the reader has no default, and the writer no such field"


# JSON Schema

_JSON_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_LIMITS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda read, write: write is not None and write >= read,
    "exclusiveMinimum": lambda read, write: write is not None and write >= read,
    "minLength": lambda read, write: write is not None and write >= read,
    "minItems": lambda read, write: write is not None and write >= read,
    "minProperties": lambda read, write: write is not None and write >= read,
    "maximum": lambda read, write: write is not None and write <= read,
    "exclusiveMaximum": lambda read, write: write is not None and write <= read,
    "maxLength": lambda read, write: write is not None and write <= read,
    "maxItems": lambda read, write: write is not None and write <= read,
    "maxProperties": lambda read, write: write is not None and write <= read,
    "pattern": lambda read, write: read == write,
    "format": lambda read, write: read == write,
    "multipleOf": lambda read, write: write is not None and write % read == 0,
    "const": lambda read, write: read == write,
}
# What is decided as a whole: the same on both sides, or not to be known as compatible.
_AS_A_WHOLE = ("allOf", "anyOf", "oneOf", "not", "$ref", "if", "dependencies", "patternProperties")


def _check_json(schema: Schema) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise ValueError("a JSON schema is an object")
    kinds = schema.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind not in _JSON_TYPES:
            raise ValueError(f"unknown type {kind}")
    for one in (schema.get("properties") or {}).values():
        _check_json(one)


def _json_types(schema: Mapping[str, Any]) -> set[str]:
    kinds = schema.get("type") or _JSON_TYPES
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return found | {"integer"} if "number" in found else found


def _json_problems(read: Schema, write: Schema, path: str) -> Problems:
    if read is True or read == {} or write is False:
        return
    if isinstance(read, bool) or isinstance(write, bool):
        yield f"{path}: the reader takes less than the writer"
        return
    if fewer := _json_types(write) - _json_types(read):
        yield f"{path}: the reader has no type {', '.join(sorted(fewer))}"
    for member, fits in _LIMITS.items():
        if member in read and not fits(read[member], write.get(member)):
            yield f"{path}: {member} of the reader is narrower"
    if "enum" in read and not ("enum" in write and all(one in read["enum"] for one in write["enum"])):
        yield f"{path}: the reader's enum is narrower"
    for member in _AS_A_WHOLE:
        if read.get(member) != write.get(member) and member in read:
            yield f"{path}: {member} of the reader is another"
    yield from _json_objects(read, write, path)
    if "items" in read and isinstance(read["items"], dict | bool):
        yield from _json_problems(read["items"], write.get("items", {}), f"{path}/items")


def _json_objects(read: Mapping[str, Any], write: Mapping[str, Any], path: str) -> Problems:
    if missing := set(read.get("required") or []) - set(write.get("required") or []):
        yield f"{path}: the reader requires {', '.join(sorted(missing))}"
    own, theirs = read.get("properties") or {}, write.get("properties") or {}
    for name in sorted(own.keys() & theirs.keys()):
        yield from _json_problems(own[name], theirs[name], f"{path}/properties/{name}")
    if read.get("additionalProperties") is False:
        if unknown := theirs.keys() - own.keys():
            yield f"{path}: the reader lets no further properties through: {', '.join(sorted(unknown))}"
        if write.get("additionalProperties", True) is not False:
            yield f"{path}: the reader lets no further properties through, and the writer does"
