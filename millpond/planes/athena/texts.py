"""What a value of a text file is as a value of its column's type, by the SerDe of the table.

Sources: "CSV SerDe" in the Athena User Guide: the SerDe of quoted values has texts, whole and other numbers,
truth values, dates as days and timestamps as milliseconds since 1970, and nothing of those may be empty; and
Trino's reader of delimited text, to which what is no such value is NULL. DuckDB alone would read more than
either: spaces around numbers, ``yes`` for true, fractions that are rounded, zones.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.kernels import Kernel, unsupported
from millpond.planes.athena.types import VARBINARY, VARCHAR, Type, array, duckdb_type, literal, quote, row

_WHOLE = "[+-]?[0-9]*(\\.[0-9]*)?"
_NUMBER = "[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"
_DATE = "[0-9]{1,10}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = "[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\\.[0-9]{1,9})?"
_ISO = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?"


_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_SIGNS = (
    ("field.delim", "serialization.format"),
    ("collection.delim", "colelction.delim"),
    ("mapkey.delim",),
)
_MOST_LEVELS = 8


def separator(options: Mapping[str, str], level: int) -> str:
    """What parts values at a level of nesting, by LazySimpleSerDe's properties: a sign or its number.

    Raises
    ------
    NotSupported
        If values are nested deeper than the SerDe has signs for.
    """
    if level >= _MOST_LEVELS:
        raise NotSupported(f"More than {_MOST_LEVELS} levels of a text table")
    names = _SIGNS[level] if level < len(_SIGNS) else ()
    given = next((options[name] for name in names if options.get(name)), str(level + 1))
    return chr(int(given) % 256) if given.lstrip("-").isdecimal() and int(given) < 128 else given


def null_text(options: Mapping[str, str]) -> str:
    """The text that is NULL."""
    return options.get("serialization.null.format", "\\N")


def as_bytes(value: str) -> str:
    """SQL of the bytes that a text is: Base64, unless it is no such text."""
    return Kernel(_bytes, (VARCHAR,), VARBINARY).sql([value])


def _bytes(text: str) -> bytes:
    signs = "".join(text.split())
    if not _BASE64.fullmatch(signs):
        return text.encode()
    if len(signs) % 4:
        raise unsupported("A binary value of a text table that is Base64 without its end")
    return base64.b64decode(signs)


def delimited(value: str, type_: Type, options: Mapping[str, str], level: int = 1) -> str | None:
    """SQL of a value of LazySimpleSerDe; None where it is what DuckDB makes of it.

    Parameters
    ----------
    value : str
        SQL of its text.
    type_ : Type
        Its column's.
    options : mapping
        ``SERDEPROPERTIES``.
    level : int
        How deep a value stands: a nested one is parted by the sign of its level.

    Raises
    ------
    NotSupported
        If they have formats of timestamps.
    """
    if type_.elements:
        return _nested(value, type_, options, level)
    if type_.is_integral:
        return _when(_matches(value, _WHOLE) + f" AND {value} NOT IN ('', '+', '-')", _whole(value, type_))
    trimmed = f"trim({value})"
    if type_.name == "date":
        return _when(_matches(trimmed, f"{_DATE}( .*)?"), f"TRY_CAST(split_part({trimmed}, ' ', 1) AS DATE)")
    if type_.name == "timestamp":
        if options.get("timestamp.formats"):
            raise NotSupported("A text table with timestamp.formats")
        is_one = f"length({value}) >= 8 AND {_matches(trimmed, f'{_DATE}( {_TIME})?|{_ISO}')}"
        return _when(is_one, f"date_trunc('millisecond', TRY_CAST({trimmed} AS TIMESTAMP))")
    if type_.name == "varbinary":
        return as_bytes(value)
    return _of_both(value, type_)


def _nested(value: str, type_: Type, options: Mapping[str, str], level: int) -> str:
    parts = f"string_split({value}, {literal(separator(options, level))})"
    item, target = f"t{level}", duckdb_type(type_)
    if type_.name == "array":
        inner = _item(item, type_.elements[0], options, level + 1)
        listed = f"list_transform({parts}, lambda {item}: {inner})"
        return f"CASE WHEN {value} = '' THEN CAST([] AS {target}) ELSE {listed} END"
    if type_.name == "map":
        between, null = literal(separator(options, level + 1)), literal(null_text(options))
        name = f"split_part({item}, {between}, 1)"
        rest = f"CASE WHEN contains({item}, {between}) THEN substr({item}, strpos({item}, {between}) + 1) END"
        key, held = type_.elements
        of_key, of_value = _item(name, key, options, level + 2), _item(rest, held, options, level + 2)
        kept = f"list_filter({parts}, lambda {item}: {name} <> {null})"
        pairs = f"list_transform({kept}, lambda {item}: struct_pack(k := {of_key}, v := {of_value}))"
        made = Kernel(_entries, (array(row(type_.elements, ["k", "v"])),), type_).sql([pairs])
        return f"CASE WHEN {value} = '' THEN CAST(MAP {{}} AS {target}) ELSE {made} END"
    fields = zip(type_.field_names, type_.elements, strict=True)
    packed = ", ".join(
        f"{quote(name)} := {_item(f'{item}[{number}]', of, options, level + 1)}"
        for number, (name, of) in enumerate(fields, 1)
    )
    found = f"list_transform([{parts}], lambda {item}: struct_pack({packed}))[1]"
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE {found} END"


def _item(value: str, type_: Type, options: Mapping[str, str], level: int) -> str:
    """SQL of a value within another."""
    made = delimited(value, type_, options, level)
    if made is None and type_.name == "char":
        made = f"rpad(substr({value}, 1, {type_.precision}), {type_.precision}, ' ')"
    elif made is None:
        made = f"substr({value}, 1, {type_.precision})"
    return f"CASE WHEN {value} = {literal(null_text(options))} THEN NULL ELSE {made} END"


def _entries(pairs: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    found = {str(pair["k"]): (pair["k"], pair["v"]) for pair in pairs}
    if len(found) < len(pairs) or any(pair["k"] is None for pair in pairs):
        raise unsupported("A map of a text table with a key twice, or with one that is no value of its type")
    return list(found.values())


def quoted(value: str, type_: Type, field: int) -> str | None:
    """SQL of a value of OpenCSVSerde; None where it is what DuckDB makes of it.

    Parameters
    ----------
    value : str
        SQL of its text.
    type_ : Type
        Its column's.
    field : int
        Which column it is, from 0 on.
    """
    target, days = duckdb_type(type_), "[+-]?[0-9]{1,18}"
    if type_.is_integral:
        found = _when(_matches(value, "[+-]?[0-9]+"), f"TRY_CAST({value} AS {target})")
    elif type_.name == "date":
        found = _when(_matches(value, days), f"DATE '1970-01-01' + TRY_CAST({value} AS INTEGER)")
    elif type_.name == "timestamp":
        found = _when(_matches(value, days), f"make_timestamp(TRY_CAST({value} AS BIGINT) * 1000)")
    elif (shared := _of_both(value, type_)) is not None:
        found = shared
    else:
        return None
    told = (
        f"'HIVE_BAD_DATA: Error parsing field value ''' || {value} || ''' for field {field}: "
        f"For input string: \"' || {value} || '\"'"
    )
    failed = f"CAST(CAST(trino_fail({told}) AS VARCHAR) AS {target})"
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE coalesce({found}, {failed}) END"


def _of_both(value: str, type_: Type) -> str | None:
    """SQL of a value of a type that both read alike, NULL where it is none."""
    if type_.name == "boolean":
        return f"CASE lower({value}) WHEN 'true' THEN true WHEN 'false' THEN false END"
    if type_.name in ("double", "real"):
        return _floating(value, type_)
    if type_.name == "decimal":
        return _when(_matches(value, _NUMBER), f"TRY_CAST({value} AS {duckdb_type(type_)})")
    return None


def _matches(value: str, pattern: str) -> str:
    return f"regexp_full_match({value}, '{pattern}')"


def _when(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"


def _whole(value: str, type_: Type) -> str:
    """What stands before the point: the fraction is passed over."""
    sign, digits = (f"regexp_extract({value}, '^([+-]?)([0-9]*)', {number})" for number in (1, 2))
    return f"TRY_CAST({sign} || '0' || {digits} AS {duckdb_type(type_)})"


def _floating(value: str, type_: Type) -> str:
    """As Java reads it."""
    trimmed, target = f"trim({value})", duckdb_type(type_)
    names = {"NaN": "nan", "Infinity": "inf", "+Infinity": "inf", "-Infinity": "-inf"}
    named = " ".join(
        f"WHEN {trimmed} = '{name}' THEN CAST('{text}' AS {target})" for name, text in names.items()
    )
    number = f"TRY_CAST(rtrim({trimmed}, 'dDfF') AS {target})"
    return f"CASE WHEN {_matches(trimmed, f'{_NUMBER}[dDfF]?')} THEN {number} {named} END"
