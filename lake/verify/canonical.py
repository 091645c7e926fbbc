"""The canonical text of a value, made by each side in its own SQL.

A value has one text, whichever side writes it; NULL has none. docs/contracts.md, "Verification", lists
the texts. Nothing here knows the other side's SQL: that the two agree is what is being verified.
"""

# ruff: noqa: S608 - every name comes quoted from a catalog

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Protocol

from ingest.postgresql import PostgreSQL

from lake.verify.structure import Table
from millpond.base.errors import MillpondError

_HMAC_BLOCK = 64


class SourceSql(Protocol):
    """What the comparison asks of a database, as text: an ``expression`` is SQL, a ``name`` none yet."""

    title: str
    fence: str
    """What follows a subquery so that the planner computes its columns once."""

    def name(self, name: str) -> str:
        """A quoted identifier."""

    def text(self, expression: str, source_type: str) -> str:
        """The canonical text of an expression of a type."""

    def own_text(self, expression: str) -> str:
        """The database's own text of a value."""

    def masked(self, expression: str, action: str) -> str:
        """What becomes of a masked value, with the settings of :meth:`masking_settings`."""

    def masking_settings(self, key: bytes) -> dict[str, str]:
        """Settings of the session that hold the masking key."""

    def json_row(self, names: Sequence[str], texts: Sequence[str]) -> str:
        """An object of JSON with these texts."""

    def newest(self, source: str, keys: Sequence[str], by: str) -> str:
        """A subquery that has of the rows with the same keys the one with the greatest ``by``."""

    def digest(self, text: str) -> str:
        """The MD5 of a text, in lower case."""

    def number(self, digest: str) -> str:
        """The number of a hash."""

    def varchar(self, expression: str) -> str:
        """A number's text."""


def postgres_name(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


athena_name = postgres_name


def postgres_text(expression: str, source_type: str) -> str:
    """SQL for the canonical text of an expression of a PostgreSQL type.

    The session must have ``intervalstyle`` set to ``iso_8601``.
    """
    if source_type.endswith("[]"):
        element = postgres_text("element", source_type.removesuffix("[]"))
        return (
            f"CASE WHEN {expression} IS NOT NULL THEN (SELECT coalesce(string_agg(coalesce("
            f"'v' || encode(convert_to({element}, 'UTF8'), 'hex'), 'n'), ',' ORDER BY position), '')"
            f" FROM unnest({expression}) WITH ORDINALITY AS elements (element, position)) END"
        )
    if length := _char_length(source_type):
        return f"rpad({expression}::text, {length})"
    # A type says its precision, too: timestamp(3) without time zone.
    match PostgreSQL().type_of(source_type).name:
        case "real":
            return _postgres_float(expression, "float4send")
        case "double precision":
            return _postgres_float(expression, "float8send")
        case "date":
            return f"to_char({expression}, 'YYYY-MM-DD')"
        case "timestamp without time zone":
            return f"to_char({expression}, 'YYYY-MM-DD HH24:MI:SS.US')"
        case "timestamp with time zone":
            return f"to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
        case "time without time zone":
            return f"to_char({expression}::interval, 'HH24:MI:SS.US')"
        case "bytea":
            return f"encode({expression}, 'hex')"
        case _:
            return f"{expression}::text"


def _char_length(source_type: str) -> str | None:
    match = re.fullmatch(r"character\((\d+)\)", source_type)
    return match[1] if match else None


def masked_text(expression: str, action: str) -> str:
    """SQL for what PostgreSQL makes of a masked value, with the settings of :func:`masking_settings`."""
    value = f"convert_to({expression}::text, 'UTF8')"
    if action == "hash":
        return f"encode(sha256({_setting('masking_key')} || {value}), 'hex')"
    if action == "tokenise":
        inner = f"sha256({_setting('masking_inner')} || {value})"
        return f"'tok_' || left(encode(sha256({_setting('masking_outer')} || {inner}), 'hex'), 32)"
    raise MillpondError(f"The column action {action} has no canonical text.", where="job_settings")


def _setting(name: str) -> str:
    return f"decode(current_setting('millpond.{name}'), 'hex')"


def masking_settings(key: bytes) -> dict[str, str]:
    """Settings of the session that hold the masking key, itself and as RFC 2104 pads it for HMAC."""
    return {f"millpond.{name}": value for name, value in padded_keys(key).items()}


def padded_keys(key: bytes) -> dict[str, str]:
    """The masking key in hexadecimal digits, itself and as RFC 2104 pads it for HMAC."""
    block = (key if len(key) <= _HMAC_BLOCK else hashlib.sha256(key).digest()).ljust(_HMAC_BLOCK, b"\0")
    return {
        "masking_key": key.hex(),
        "masking_inner": bytes(byte ^ 0x36 for byte in block).hex(),
        "masking_outer": bytes(byte ^ 0x5C for byte in block).hex(),
    }


def athena_text(expression: str, catalog_type: str, source_type: str) -> str:
    """SQL for the canonical text of an expression of a column of an Iceberg table."""
    if catalog_type.startswith("array<"):
        inner = catalog_type.removeprefix("array<").removesuffix(">")
        element = athena_text("element", inner, source_type.removesuffix("[]"))
        return (
            f"array_join(transform({expression}, element -> coalesce(concat('v', lower(to_hex(to_utf8("
            f"{element})))), 'n')), ',')"
        )
    if length := _char_length(source_type):
        # PostgreSQL does not count the blanks at the end of a char(n).
        return f"rpad(regexp_replace({expression}, ' +$', ''), {length}, ' ')"
    match catalog_type.split("(")[0]:
        case "string":
            return expression
        case "char":
            return f"regexp_replace({expression}, ' +$', '')"
        case "smallint" | "int" | "bigint" | "boolean" | "decimal" | "date" | "timestamp":
            return f"CAST({expression} AS varchar)"
        case "timestamptz":
            return f"replace(CAST({expression} AS varchar), ' UTC', '')"
        case "float" | "double":
            return _athena_float(expression, source_type)
        case "binary":
            return f"lower(to_hex({expression}))"
        case _:
            raise MillpondError(f"The catalog type {catalog_type} has no canonical text.")


class PostgreSQLSql:
    """What the comparison asks of PostgreSQL, as text."""

    title = "PostgreSQL"
    fence = " OFFSET 0"

    def name(self, name: str) -> str:
        return postgres_name(name)

    def text(self, expression: str, source_type: str) -> str:
        return postgres_text(expression, source_type)

    def own_text(self, expression: str) -> str:
        return f"{expression}::text"

    def masked(self, expression: str, action: str) -> str:
        return masked_text(expression, action)

    def masking_settings(self, key: bytes) -> dict[str, str]:
        return masking_settings(key)

    def json_row(self, names: Sequence[str], texts: Sequence[str]) -> str:
        quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
        return f"json_object(ARRAY[{quoted}]::text[], ARRAY[{', '.join(texts)}]::text[])::text"

    def newest(self, source: str, keys: Sequence[str], by: str) -> str:
        key = ", ".join(keys)
        return f"(SELECT DISTINCT ON ({key}) * FROM {source} ORDER BY {key}, {by} DESC)"

    def digest(self, text: str) -> str:
        return f"md5({text})"

    def number(self, digest: str) -> str:
        return f"('x' || substr({digest}, 1, 15))::bit(60)::bigint"

    def varchar(self, expression: str) -> str:
        return f"CAST({expression} AS varchar)"


def source_texts(sql: SourceSql, table: Table) -> list[str]:
    """The canonical texts of a row in the source."""
    return [
        sql.text(sql.name(c.source_name), c.source_type)
        if c.action is None
        else sql.masked(sql.name(c.source_name), c.action)
        for c in table.columns
    ]


def athena_texts(table: Table) -> list[str]:
    """The canonical texts of a row in Athena."""
    return [
        athena_text(athena_name(c.name), c.type, c.source_type) if c.action is None else athena_name(c.name)
        for c in table.columns
    ]


def _postgres_float(expression: str, send: str) -> str:
    return f"CASE WHEN {expression} = 'NaN' THEN 'NaN' ELSE encode({send}({expression}), 'hex') END"


def _athena_float(expression: str, source_type: str) -> str:
    bits = "to_ieee754_32" if source_type == "real" else "to_ieee754_64"
    if source_type == "float":
        # MySQL has the bits of a double alone.
        expression = f"CAST({expression} AS double)"
    return f"CASE WHEN is_nan({expression}) THEN 'NaN' ELSE lower(to_hex({bits}({expression}))) END"
