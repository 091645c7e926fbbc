"""How a request that nobody means looks on the wire, by the protocol of its service.

botocore's own serializers refuse most of them. These write what they get: a structure where a number should
be becomes its JSON, so that it arrives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape, quoteattr

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape


@dataclass(frozen=True)
class Wire:
    """A request as HTTP has it."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def on_wire(model: Any, operation: str, body: bytes) -> Wire:
    """A request on the wire.

    Parameters
    ----------
    model : botocore.model.ServiceModel
        Of its service.
    operation : str
        Its operation.
    body : bytes
        The request as JSON, or what is none, which is sent as it is.
    """
    protocols = model.metadata.get("protocols", [model.protocol])
    if "json" in protocols:
        return _json(model, operation, body)
    one = model.operation_model(operation)
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        path = "/" if model.protocol in ("query", "ec2") else _path(one, {})
        return Wire(one.http.get("method", "POST"), path, body)
    if model.protocol in ("query", "ec2"):
        return _query(model, one, request)
    return _rest(model, one, request)


def _json(model: Any, operation: str, body: bytes) -> Wire:
    headers = {
        "Content-Type": f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.0')}",
        "X-Amz-Target": f"{model.metadata['targetPrefix']}.{operation}",
    }
    return Wire("POST", "/", body, headers)


def _query(model: Any, operation: OperationModel, request: dict[str, Any]) -> Wire:
    is_ec2 = model.protocol == "ec2"
    pairs = [("Action", operation.name), ("Version", model.metadata["apiVersion"])]
    if operation.input_shape is not None:
        pairs += _pairs(operation.input_shape, request, "", is_ec2)
    body = urlencode(pairs, errors="replace").encode()
    return Wire("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})


def _pairs(shape: Shape, value: Any, prefix: str, is_ec2: bool) -> Iterator[tuple[str, str]]:
    before = f"{prefix}." if prefix else ""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for name, one in value.items():
            member = shape.members.get(name)
            if member is None:
                yield f"{before}{name}", _text(one)
                continue
            key = member.serialization.get("name", name)
            key = member.serialization.get("queryName", key[0].upper() + key[1:]) if is_ec2 else key
            yield from _pairs(member, one, before + key, is_ec2)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        inner = "" if is_ec2 or shape.serialization.get("flattened") else "member."
        for number, one in enumerate(value, 1):
            yield from _pairs(shape.member, one, f"{before}{inner}{number}", is_ec2)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for number, (key, one) in enumerate(value.items(), 1):
            yield f"{before}entry.{number}.key", key
            yield from _pairs(shape.value, one, f"{before}entry.{number}.value", is_ec2)
    else:
        yield prefix, _text(value)


def _rest(model: Any, operation: OperationModel, request: dict[str, Any]) -> Wire:
    shape: Any = operation.input_shape
    members = shape.members if shape is not None else {}
    headers, query, rest = {}, [], {}
    for name, value in request.items():
        member = members.get(name)
        place = member.serialization.get("location") if member is not None else None
        key = member.serialization.get("name", name) if member is not None else name
        if place == "querystring":
            query += [(key, _text(one)) for one in (value if isinstance(value, list) else [value])]
        elif place == "header" and key != "Content-Length":
            headers[key] = _in_header(_text(value))
        elif place == "headers" and isinstance(value, dict):
            headers |= {key + _in_header(inner): _in_header(_text(one)) for inner, one in value.items()}
        elif place is None:
            rest[name] = value
    path = _path(operation, request)
    if query:
        path += ("&" if "?" in path else "?") + urlencode(query, errors="replace")
    body, kind = _rest_body(model, shape, rest)
    headers.setdefault("Content-Type", kind)
    return Wire(operation.http["method"], path, body, headers)


def _rest_body(model: Any, shape: Any, rest: dict[str, Any]) -> tuple[bytes, str]:
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload is not None:
        member, value = shape.members[payload], rest.get(payload, "")
        if member.type_name in ("blob", "string"):
            return _text(value).encode(errors="replace"), "application/octet-stream"
        name = member.serialization.get("name", member.name)
    else:
        member, value, name = shape, rest, getattr(shape, "name", "Request")
    if model.protocol == "rest-json":
        if payload is None and shape is not None:
            names = {key: one.serialization.get("name", key) for key, one in shape.members.items()}
            value = {names.get(key, key): one for key, one in rest.items()}
        return (json.dumps(value).encode() if value else b""), "application/json"
    return ("".join(_xml(member, value, name)).encode(errors="replace") if value else b""), "application/xml"


def _xml(shape: Any, value: Any, name: str) -> Iterator[str]:
    space = shape.serialization.get("xmlNamespace", {}).get("uri") if shape is not None else None
    yield f"<{name}{f' xmlns={quoteattr(space)}' if space else ''}>"
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for key, one in value.items():
            member = shape.members.get(key)
            inner = member.serialization.get("name", key) if member is not None else "Unknown"
            if isinstance(member, ListShape) and member.serialization.get("flattened"):
                for each in one if isinstance(one, list) else [one]:
                    yield from _xml(member.member, each, inner)
            else:
                yield from _xml(member, one, inner)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for one in value:
            yield from _xml(shape.member, one, shape.member.serialization.get("name", "member"))
    else:
        yield escape(_text(value))
    yield f"</{name}>"


def _path(operation: OperationModel, request: dict[str, Any]) -> str:
    """The path of an operation; what is missing in it is left out as an empty text."""
    shape: Any = operation.input_shape
    places = {
        member.serialization.get("name", name): name
        for name, member in (shape.members if shape is not None else {}).items()
        if member.serialization.get("location") == "uri"
    }

    def filled(found: re.Match[str]) -> str:
        label = found.group(1)
        text = _text(request.get(places.get(label.rstrip("+"), ""), ""))
        return quote(text, safe="/~" if label.endswith("+") else "~", errors="replace")

    return re.sub(r"\{([^}]+)\}", filled, operation.http["requestUri"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _in_header(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text).strip() or "-"
