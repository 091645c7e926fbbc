"""The canonical text of a value, made by each side in its own SQL.

A value has one text, whichever side writes it; NULL has none. docs/contracts.md, "Verification", lists
the texts. Nothing here knows the other side's SQL: that the two agree is what is being verified.
"""

# ruff: noqa: S608 - every name comes quoted from a catalog

from __future__ import annotations

import re

from millpond.errors import MillpondError
from millpond.verify.structure import Column, Partition

_MONTHS = {"year": "YYYY", "month": "YYYY-MM", "day": "YYYY-MM-DD"}


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
    padded = re.fullmatch(r"character\((\d+)\)", source_type)
    if padded:
        return f"rpad({expression}::text, {padded[1]})"
    match source_type:
        case "real":
            return _postgres_float(expression, "float4send")
        case "double precision":
            return _postgres_float(expression, "float8send")
        case "date":
            return f"to_char({expression}, 'YYYY-MM-DD')"
        case "timestamp without time zone":
            return f"to_char({expression}, 'YYYY-MM-DD HH24:MI:SS.MS')"
        case "timestamp with time zone":
            return f"to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')"
        case "time without time zone":
            return f"to_char({expression}::interval, 'HH24:MI:SS.US')"
        case "bytea":
            return f"encode({expression}, 'hex')"
        case _:
            return f"{expression}::text"


def athena_text(expression: str, catalog_type: str) -> str:
    """SQL for the canonical text of an expression of a type of the Glue catalog."""
    if catalog_type.startswith("array<"):
        element = athena_text("element", catalog_type.removeprefix("array<").removesuffix(">"))
        return (
            f"array_join(transform({expression}, element -> coalesce(concat('v', lower(to_hex(to_utf8("
            f"{element})))), 'n')), ',')"
        )
    match catalog_type.split("(")[0]:
        case "string":
            return expression
        case "char":
            # A cast of char(n) pads in engine version 3 and trims in later releases of Trino.
            length = catalog_type.removeprefix("char(").removesuffix(")")
            return f"rpad(CAST({expression} AS varchar), {length}, ' ')"
        case "smallint" | "int" | "bigint" | "boolean" | "decimal" | "date":
            return f"CAST({expression} AS varchar)"
        case "float":
            return _athena_float(expression, "to_ieee754_32")
        case "double":
            return _athena_float(expression, "to_ieee754_64")
        case "timestamp":
            return f"substr(date_format({expression}, '%Y-%m-%d %H:%i:%s.%f'), 1, 23)"
        case "binary":
            return f"lower(to_hex({expression}))"
        case _:
            raise MillpondError(f"The catalog type {catalog_type} has no canonical text.")


def postgres_partition_text(partition: Partition) -> str:
    """SQL for the value that a row's partition column must have."""
    source = partition.source
    expression = postgres_name(source.source_name)
    if partition.transform == "identity":
        return postgres_text(expression, source.source_type)
    if source.source_type == "timestamp with time zone":
        expression = f"{expression} AT TIME ZONE 'UTC'"
    return f"to_char({expression}, '{_MONTHS[partition.transform]}')"


def postgres_texts(columns: tuple[Column, ...], partitions: tuple[Partition, ...]) -> list[str]:
    """The canonical texts of a row in PostgreSQL, partition columns last."""
    texts = [postgres_text(postgres_name(c.source_name), c.source_type) for c in columns]
    return texts + [postgres_partition_text(p) for p in partitions]


def athena_texts(columns: tuple[Column, ...], partitions: tuple[Partition, ...]) -> list[str]:
    """The canonical texts of a row in Athena, partition columns last."""
    texts = [athena_text(athena_name(c.name), c.type) for c in columns]
    return texts + [athena_text(athena_name(p.name), "string") for p in partitions]


def _postgres_float(expression: str, send: str) -> str:
    return f"CASE WHEN {expression} = 'NaN' THEN 'NaN' ELSE encode({send}({expression}), 'hex') END"


def _athena_float(expression: str, bits: str) -> str:
    return f"CASE WHEN is_nan({expression}) THEN 'NaN' ELSE lower(to_hex({bits}({expression}))) END"
