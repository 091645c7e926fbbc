"""The canonical text of a value in the SQL of MySQL and MariaDB; see :mod:`lake.verify.canonical`."""

# ruff: noqa: S608 - every name comes quoted from a catalog

from __future__ import annotations

import re
from collections.abc import Sequence

from lake.verify.canonical import padded_keys
from millpond.base.errors import MillpondError

_OWN_TEXT = "CAST({} AS CHAR)"
_TRUE_OR_FALSE = "CASE {} + 0 WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
_BITS = "LPAD(BIN({} + 0), {}, '0')"
_TEXTS = {
    "date": "DATE_FORMAT({}, '%Y-%m-%d')",
    **dict.fromkeys(("datetime", "timestamp"), "DATE_FORMAT({}, '%Y-%m-%d %H:%i:%s.%f')"),
    "time": "TIME_FORMAT({}, '%H:%i:%s.%f')",
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "LOWER(HEX({}))"),
    "char": "RTRIM({})",
    # The text of a number that is declared so begins with zeros.
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), "CAST({} + 0 AS CHAR)"),
}
_MANTISSA_BITS = 52
_BIAS = 1023
_LEAST_EXPONENT = -1022


class MySQLSql:
    """What the comparison asks of MySQL and MariaDB, as text."""

    title = "MySQL"
    # A derived table with a limit is not merged into what reads it: its columns are computed once.
    fence = " LIMIT 18446744073709551615"

    def name(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def text(self, expression: str, source_type: str) -> str:
        """The canonical text; the session's time zone is UTC."""
        kind = re.split(r"[( ]", source_type, maxsplit=1)[0]
        if kind in ("float", "double"):
            return _bits(f"({expression} + 0e0)")
        if kind in ("point", "linestring", "polygon") or kind.startswith(("multi", "geom")):
            return f"ST_AsText({expression})"
        if kind == "bit":
            digits = re.sub(r"[^0-9]", "", source_type) or "1"
            return _TRUE_OR_FALSE.format(expression) if digits == "1" else _BITS.format(expression, digits)
        return _unicode(_TEXTS.get(kind, _OWN_TEXT).format(expression))

    def own_text(self, expression: str) -> str:
        return _OWN_TEXT.format(expression)

    def masked(self, expression: str, action: str) -> str:
        """What the server makes of a masked value, with the settings of :meth:`masking_settings`."""
        value = _unicode(self.own_text(expression))
        if action == "hash":
            return f"SHA2(CONCAT({_setting('masking_key')}, {value}), 256)"
        if action == "tokenise":
            inner = f"UNHEX(SHA2(CONCAT({_setting('masking_inner')}, {value}), 256))"
            return f"CONCAT('tok_', LEFT(SHA2(CONCAT({_setting('masking_outer')}, {inner}), 256), 32))"
        raise MillpondError(f"The column action {action} has no canonical text.", where="job_settings")

    def masking_settings(self, key: bytes) -> dict[str, str]:
        """Variables of the session that hold the masking key."""
        return {f"@millpond_{name}": value for name, value in padded_keys(key).items()}

    def json_row(self, names: Sequence[str], texts: Sequence[str]) -> str:
        pairs = ", ".join(f"{_literal(name)}, {text}" for name, text in zip(names, texts, strict=True))
        return f"JSON_OBJECT({pairs})"

    def newest(self, source: str, keys: Sequence[str], by: str) -> str:
        place = f"ROW_NUMBER() OVER (PARTITION BY {', '.join(keys)} ORDER BY {by} DESC)"
        return f"(SELECT * FROM (SELECT *, {place} AS `__place` FROM {source}) AS n WHERE `__place` = 1)"

    def digest(self, text: str) -> str:
        return f"MD5({text})"

    def number(self, digest: str) -> str:
        return f"CONV(SUBSTR({digest}, 1, 15), 16, 10)"

    def varchar(self, expression: str) -> str:
        return f"CAST({expression} AS CHAR)"


def _setting(name: str) -> str:
    return f"UNHEX(@millpond_{name})"


def _unicode(text: str) -> str:
    return f"CONVERT({text} USING utf8mb4)"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _bits(value: str) -> str:
    """The 64 bits of a DOUBLE in hexadecimal digits, which no function of the server says.

    The exponent comes of a logarithm, which may be one too great or too small, and is put right by two
    comparisons; all else is multiplied by powers of two, which loses nothing. Source: IEEE 754, binary64.
    """
    guess = f"LEAST(GREATEST(FLOOR(LOG2(ABS({value}))), {_LEAST_EXPONENT}), {_BIAS})"
    exponent = (
        f"GREATEST({guess} - (ABS({value}) < POW(2, {guess}))"
        f" + (ABS({value}) / 2 >= POW(2, {guess})), {_LEAST_EXPONENT})"
    )
    # Two steps: 2 to the power of 1074 is no DOUBLE.
    shift = f"({_MANTISSA_BITS} - {exponent})"
    half = f"FLOOR({shift} / 2)"
    whole = f"CAST(ABS({value}) * POW(2, {half}) * POW(2, {shift} - {half}) AS UNSIGNED)"
    # A number that is not normal lacks the leading bit, which otherwise counts as one of the exponent.
    field = f"CAST({exponent} + {_BIAS - 1} AS UNSIGNED) * {1 << _MANTISSA_BITS} + {whole}"
    sign = f"IF(CAST({value} AS CHAR) LIKE '-%', CAST({1 << 63} AS UNSIGNED), 0)"
    magnitude = f"IF({value} = 0, 0, {field})"
    digits = f"LOWER(HEX(CAST({sign} + {magnitude} AS UNSIGNED)))"
    return f"CASE WHEN {value} IS NOT NULL THEN LPAD({digits}, 16, '0') END"
