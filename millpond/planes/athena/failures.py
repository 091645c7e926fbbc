"""``AthenaError``: what kind of failure the reason of a query names.

Categories and types are those of "Athena error catalog" in the Athena User Guide. It does not say which
type has which name of Trino's errors; it follows from its descriptions. A query that timed out has been seen
as category 1, type 206, and not as one to be repeated.
"""

from __future__ import annotations

import re
from typing import Any

SYSTEM, USER = 1, 2
_OF_THE_SYSTEM = {0, 200, 204, 206}
_NAMED = re.compile(r"([A-Z][A-Z0-9_]+)(?::|$)")
_INTERNAL, _GENERAL_USER, _SYNTAX, _ICEBERG = 200, 1000, 1006, 233

_TYPES = {
    1001: (
        "DIVISION_BY_ZERO",
        "INVALID_CAST_ARGUMENT",
        "NUMERIC_VALUE_OUT_OF_RANGE",
        "HIVE_BAD_DATA",
        "HIVE_CURSOR_ERROR",
        "SUBQUERY_MULTIPLE_ROWS",
        "MERGE_TARGET_ROW_MULTIPLE_MATCHES",
        "CONSTRAINT_VIOLATION",
    ),
    1004: (
        "HIVE_PARTITION_SCHEMA_MISMATCH",
        "HIVE_INVALID_METADATA",
        "HIVE_UNSUPPORTED_FORMAT",
        "HIVE_COLUMN_ORDER_MISMATCH",
    ),
    1103: ("INVALID_TABLE_PROPERTY",),
    1106: ("INVALID_FUNCTION_ARGUMENT",),
    1107: ("INVALID_VIEW", "VIEW_IS_STALE", "VIEW_IS_RECURSIVE"),
    1110: ("TABLE_NOT_FOUND",),
    1200: ("NOT_SUPPORTED",),
    1301: ("SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND"),
    1302: ("HIVE_CANNOT_OPEN_SPLIT", "HIVE_FILE_NOT_FOUND", "ICEBERG_CANNOT_OPEN_SPLIT"),
    1303: ("FUNCTION_NOT_FOUND", "FUNCTION_IMPLEMENTATION_MISSING"),
    0: ("EXCEEDED_LOCAL_MEMORY_LIMIT", "EXCEEDED_GLOBAL_MEMORY_LIMIT"),
    204: ("HIVE_METASTORE_ERROR",),
    _INTERNAL: ("GENERIC_INTERNAL_ERROR",),
}
_BY_NAME = {name: number for number, names in _TYPES.items() for name in names}
_BY_TEXT = (
    (re.compile(r"Query timeout$"), 206),
    (re.compile(r"Permission denied on S3 path: "), 1501),
    (re.compile(r"Insufficient permissions to execute the query"), 1500),
    (re.compile(r"FAILED: "), 1003),
)
# Found while a statement is analyzed, before anything of it runs.
_ANALYSIS = re.compile(
    r"(SYNTAX_ERROR|COLUMN|AMBIGUOUS|TYPE_MISMATCH|DUPLICATE|EXPRESSION|MISMATCHED|MISSING|NESTED|INVALID)(_|$)"
)


def athena_error(reason: str, *, is_user_error: bool) -> dict[str, Any]:
    """``AthenaError`` of a query that failed for a reason."""
    number = _type_of(reason, is_user_error=is_user_error)
    return {
        "ErrorCategory": USER if is_user_error and number not in _OF_THE_SYSTEM else SYSTEM,
        "ErrorType": number,
        "Retryable": False,
        "ErrorMessage": reason,
    }


def _type_of(reason: str, *, is_user_error: bool) -> int:
    for pattern, number in _BY_TEXT:
        if pattern.match(reason):
            return number
    match = _NAMED.match(reason)
    name = match[1] if match else ""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if _ANALYSIS.match(name):
        return _SYNTAX
    if name.startswith("ICEBERG_"):
        return _ICEBERG
    return _GENERAL_USER if is_user_error else _INTERNAL
