"""What a value of a text file is as a value of its column's type, by the SerDe of the table.

Sources: "CSV SerDe" in the Athena User Guide: the SerDe of quoted values has texts, whole and other numbers,
truth values, dates as days and timestamps as milliseconds since 1970, and nothing of those may be empty; and
Trino's reader of delimited text, to which what is no such value is NULL. DuckDB alone would read more than
either: spaces around numbers, ``yes`` for true, fractions that are rounded, zones.
"""

from __future__ import annotations

from collections.abc import Mapping

from millpond.planes.athena.exceptions import NotSupported
from millpond.planes.athena.types import Type, duckdb_type

_WHOLE = "[+-]?[0-9]*(\\.[0-9]*)?"
_NUMBER = "[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"
_DATE = "[0-9]{1,10}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = "[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\\.[0-9]{1,9})?"
_ISO = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?"


def delimited(value: str, type_: Type, options: Mapping[str, str]) -> str | None:
    """SQL of a value of LazySimpleSerDe; None where it is what DuckDB makes of it.

    Parameters
    ----------
    value : str
        SQL of its text.
    type_ : Type
        Its column's.
    options : mapping
        ``SERDEPROPERTIES``.

    Raises
    ------
    NotSupported
        If they have formats of timestamps.
    """
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
    return _of_both(value, type_)


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
