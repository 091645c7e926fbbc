"""JSON functions."""

from __future__ import annotations

from collections.abc import Callable

from millpond.planes.athena.kernels import documents
from millpond.planes.athena.signatures.overloads import Overload, Result, kernel, text_like
from millpond.planes.athena.types import BIGINT, BOOLEAN, DOUBLE, JSON, VARCHAR, Type


def _both(function: Callable[..., object], result: Result, *more: Type) -> list[Overload]:
    """JSON is taken as such and as text."""
    body = kernel(function)
    return [Overload((VARCHAR, *more), result, body), Overload((JSON, *more), result, body)]


DOCUMENTS: dict[str, list[Overload]] = {
    "is_json_scalar": _both(documents.is_scalar, BOOLEAN),
    "json_array_contains": [
        *_both(documents.array_contains_boolean, BOOLEAN, BOOLEAN),
        *_both(documents.array_contains_integer, BOOLEAN, BIGINT),
        *_both(documents.array_contains_double, BOOLEAN, DOUBLE),
        *_both(documents.array_contains_text, BOOLEAN, VARCHAR),
    ],
    "json_array_get": _both(documents.array_get, JSON, BIGINT),
    "json_array_length": _both(documents.array_length, BIGINT),
    "json_extract": _both(documents.extract, JSON, VARCHAR),
    "json_extract_scalar": _both(documents.extract_scalar, text_like, VARCHAR),
    "json_format": [Overload((JSON,), VARCHAR, "{0}")],
    "json_parse": [Overload((VARCHAR,), JSON, kernel(documents.parse))],
    "json_size": _both(documents.size, BIGINT, VARCHAR),
}
