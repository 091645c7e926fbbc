"""MySQL and MariaDB: their types, their SQL and their connections; see :class:`ingest.dialect.Dialect`.

Source: MySQL 8.0 Reference Manual, "Data Types" and "Functions and Operators"; MariaDB's "SQL Statements &
Structure". What is written here both of them take: MySQL from 8.0, MariaDB from 10.5.
"""

# ruff: noqa: S608 (names and literals are quoted by quote_name and quote_text)

from __future__ import annotations

import hashlib
import json
import re
from typing import Mapping, Sequence

from ingest.dialect import Address, SourceType
from ingest.errors import IngestError

_FORMAT = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*)(?:\((?P<arguments>.*)\))?(?P<unsigned> unsigned)?(?: zerofill)?"
    r"(?: /\*.*\*/)?",
    re.DOTALL,
)
_INTERVAL = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_UNITS = ("YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE")

# Signed, then unsigned: the smallest type that has every value.
_WHOLE = {
    "tinyint": ("smallint", "smallint"),
    "smallint": ("smallint", "int"),
    "mediumint": ("int", "int"),
    "int": ("int", "bigint"),
    "bigint": ("bigint", "decimal(20,0)"),
    "year": ("smallint", "smallint"),
}
_CATALOG_TYPES = {
    "float": "float",
    "double": "double",
    "date": "date",
    "datetime": "timestamp",
    "timestamp": "timestamptz",
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "binary"),
}
_TEXTS = ("varchar", "tinytext", "text", "mediumtext", "longtext", "char")
_GEOMETRIES = (
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
)
_NUMBERS = (*_WHOLE, "decimal")
_TIMES = ("datetime", "timestamp")
_MAX_PRECISION = 38
_HMAC_BLOCK = 64
_SECONDS = 1800
_GREATEST = "CAST(9223372036854775807 AS SIGNED)"

EXAMPLES: Sequence[tuple[str, str]] = (
    ("tinyint(1)", "a number as it is, also where it is meant as true or false; Iceberg's `int`"),
    ("tinyint(3) unsigned", "Iceberg's `int`"),
    ("smallint(5) unsigned", ""),
    ("mediumint(8) unsigned", ""),
    ("int(10) unsigned", ""),
    ("bigint(20)", ""),
    ("bigint(20) unsigned", ""),
    ("year(4)", ""),
    ("decimal(12,2)", "of at most 38 digits"),
    ("decimal(65,2)", "canonical text"),
    ("float", ""),
    ("double", ""),
    ("bit(1)", ""),
    ("bit(8)", "its digits, `00000101`"),
    ("char(3)", "without the blanks at its end; the column's doc has the length"),
    ("varchar(20)", "of whatever character set, as Unicode"),
    ("date", "`0000-00-00` and others that no calendar has fail the run of their table"),
    ("datetime(6)", "microseconds, without zone; `0000-00-00 00:00:00` as for `date`"),
    ("timestamp", "microseconds, UTC; likewise"),
    ("time(6)", "`HH:MM:SS.ffffff`, below zero and beyond a day too: `-838:59:59.000000`"),
    ("varbinary(16)", ""),
    ("longblob", ""),
    ("enum('a','b')", "the text of the value"),
    ("set('a','b')", "the texts, with commas"),
    ("json", "the database's own text of it, and so is any type that is not named here: `uuid`, `inet6` …"),
    ("point", "well-known text, and so is every geometry"),
)
"""A type of each kind and what there is to say of it, for docs/contracts.md."""

_SESSION = {
    "time_zone": "+00:00",
    # Literals and quotes are as MySQL has them unless told otherwise; a user's own mode says nothing here.
    "sql_mode": "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION",
    "lock_wait_timeout": "30",
    # A reader that writes files is slow to take rows.
    "net_write_timeout": "600",
}
_NUMERIC_SETTINGS = ("lock_wait_timeout", "net_write_timeout")
# Each server takes the one that it has, and reads the other as a comment.
_TIMEOUTS = f"/*M! max_statement_time = {_SECONDS}, */ /*!50708 max_execution_time = {_SECONDS}000, */"


class MySQL:
    """MySQL and MariaDB; types are what ``COLUMN_TYPE`` of ``information_schema.COLUMNS`` says."""

    name = "mysql"
    jdbc_driver = "com.mysql.cj.jdbc.Driver"
    begin_snapshot = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
    export_snapshot = ""
    """No connection can see another's snapshot."""

    def type_of(self, source_type: str) -> SourceType:
        """Take a ``COLUMN_TYPE`` apart.

        Examples
        --------
        >>> MySQL().type_of("int(10) unsigned").catalog_type, MySQL().type_of("enum('a','b')").catalog_type
        ('bigint', 'string')
        """
        match = _FORMAT.fullmatch(source_type)
        if match is None:
            return SourceType(source_type)
        name, text = match["name"], match["arguments"] or ""
        parts = text.split(",") if re.fullmatch(r"[\d,]+", text) else []
        arguments = tuple(int(part) for part in parts)
        kind = _catalog_type(name, arguments, is_unsigned=bool(match["unsigned"]))
        return SourceType(name, arguments, kind, is_number=name in _NUMBERS)

    def quote_name(self, name: str) -> str:
        """An identifier in backticks.

        Examples
        --------
        >>> MySQL().quote_name("a`b")
        '`a``b`'
        """
        return "`" + name.replace("`", "``") + "`"

    def quote_text(self, text: str) -> str:
        """A string literal; the session's ``sql_mode`` has backslashes escape."""
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

    def literal(self, text: str, source_type: str) -> str:
        kind = self.type_of(source_type)
        value = self.quote_text(text)
        if kind.name in _TIMES:
            return f"CAST({value} AS DATETIME(6))"
        if kind.name == "date":
            return f"CAST({value} AS DATE)"
        if kind.name == "decimal":
            return f"CAST({value} AS DECIMAL({','.join(map(str, kind.arguments))}))"
        if kind.is_number:
            return f"CAST({value} AS DECIMAL(20,0))"
        return value

    def text(self, expression: str) -> str:
        return f"CAST({expression} AS CHAR)"

    def masked(self, expression: str, action: str) -> str:
        value = f"CONVERT({self.text(expression)} USING utf8mb4)"
        if action == "hash":
            return f"SHA2(CONCAT({_secret('masking_key')}, {value}), 256)"
        inner = f"UNHEX(SHA2(CONCAT({_secret('masking_inner')}, {value}), 256))"
        return f"CONCAT('tok_', LEFT(SHA2(CONCAT({_secret('masking_outer')}, {inner}), 256), 32))"

    def wire(self, expression: str, kind: SourceType, label: str) -> str:  # noqa: ARG002 (the server names it)
        if kind.name in _TIMES:
            micros = f"TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', {expression})"
            return _refused_unless(micros, expression)
        if kind.name == "date":
            return _refused_unless(self.days(expression), expression)
        if kind.catalog_type in ("smallint", "int", "bigint"):
            return f"CAST({expression} AS SIGNED)"
        if kind.name == "decimal" or kind.catalog_type.startswith("decimal"):
            is_text = kind.catalog_type == "string"
            return self.text(expression) if is_text else f"CAST({expression} AS {kind.catalog_type})"
        if kind.catalog_type in ("float", "double"):
            # The text of a FLOAT has six digits; that of a DOUBLE has all.
            return f"({expression} + 0e0)"
        if kind.name == "bit":
            digits = f"LPAD(BIN({expression} + 0), {(*kind.arguments, 1)[0]}, '0')"
            return f"({expression} + 0)" if kind.catalog_type == "boolean" else digits
        if kind.name == "time":
            return f"TIME_FORMAT({expression}, '%H:%i:%s.%f')"
        if kind.name in _GEOMETRIES:
            return f"ST_AsText({expression})"
        if kind.catalog_type == "binary" or kind.name in _TEXTS:
            return expression
        return self.text(expression)

    def null_of_wire(self, kind: SourceType) -> str:
        if kind.catalog_type.startswith("decimal"):
            return f"CAST(NULL AS {kind.catalog_type})"
        if kind.catalog_type in ("float", "double"):
            return "(NULL + 0e0)"
        if kind.catalog_type == "binary":
            return "CAST(NULL AS BINARY)"
        is_text = kind.catalog_type == "string" or kind.catalog_type.startswith("char")
        return self.text("NULL") if is_text else "CAST(NULL AS SIGNED)"

    def converted(self, expression: str, source_type: str) -> str:
        raise _cannot_tell(expression, source_type)

    def does_not_fit(self, expression: str, source_type: str) -> str:
        raise _cannot_tell(expression, source_type)

    def quarantine(self, rules: Mapping[str, str], values: Mapping[str, str]) -> str:
        names = ", ".join(
            f"CASE WHEN {condition} THEN {self.quote_text(json.dumps(name))} END"
            for name, condition in rules.items()
        )
        row = ", ".join(f"{self.quote_text(name)}, {value}" for name, value in values.items())
        return f"CONCAT('{{\"rules\": [', CONCAT_WS(', ', {names}), '], \"row\": ', JSON_OBJECT({row}), '}}')"

    def newest(self, columns: str, source: str, keys: Sequence[str], by: str) -> str:
        place = f"ROW_NUMBER() OVER (PARTITION BY {', '.join(keys)} ORDER BY {by} DESC)"
        newest = f"SELECT *, {place} AS `__place` FROM {source}"
        return f"SELECT {columns} FROM ({newest}) AS newest WHERE `__place` = 1"

    def days(self, expression: str) -> str:
        return f"DATEDIFF({expression}, DATE'1970-01-01')"

    def date(self, days: int) -> str:
        return f"(DATE'1970-01-01' + INTERVAL {days} DAY)"

    def less(self, expression: str, difference: str, source_type: str) -> str:
        """A value less a number or an ISO 8601 interval.

        Raises
        ------
        IngestError
            If it is no interval.
        """
        if self.type_of(source_type).is_number:
            return f"({expression} - {self.literal(difference, source_type)})"
        match = _INTERVAL.fullmatch(difference)
        if match is None or not any(match.groups()):
            raise IngestError(f"{difference!r} is no interval of ISO 8601, for example PT10M.")
        *counts, seconds = match.groups()
        parts = [f"INTERVAL {count} {unit}" for count, unit in zip(counts, _UNITS) if count]
        parts += [f"INTERVAL {seconds} SECOND"] if seconds else []
        return f"({' - '.join([expression, *parts])})"

    def session_settings(self, masking_key: bytes | None = None) -> dict[str, str]:
        """Settings that make values the same whatever the server has configured.

        Parameters
        ----------
        masking_key : bytes, optional
            Becomes variables of the session: as it is, and as the two padded keys of HMAC (RFC 2104). A
            server whose general log is on writes them there, for it has no other way to be told.
        """
        if masking_key is None:
            return dict(_SESSION)
        block = masking_key if len(masking_key) <= _HMAC_BLOCK else hashlib.sha256(masking_key).digest()
        padded = block.ljust(_HMAC_BLOCK, b"\0")
        return {
            **_SESSION,
            "@millpond_masking_key": masking_key.hex(),
            "@millpond_masking_inner": bytes(byte ^ 0x36 for byte in padded).hex(),
            "@millpond_masking_outer": bytes(byte ^ 0x5C for byte in padded).hex(),
        }

    def set_statement(self, session: Mapping[str, str]) -> str:
        """The statement that a connection begins with."""
        return f"SET {_TIMEOUTS} {self._assignments(session)}"

    def _assignments(self, session: Mapping[str, str]) -> str:
        return ", ".join(
            f"{name} = {value if name in _NUMERIC_SETTINGS else self.quote_text(value)}"
            for name, value in session.items()
        )

    def import_snapshot(self, snapshot_id: str) -> str:  # noqa: ARG002 (there is none)
        raise IngestError("MySQL and MariaDB have no snapshot that two connections see.")

    def jdbc_url(self, address: Address) -> str:
        return f"jdbc:mysql://{address.host}:{address.port}/{address.dbname}"

    def jdbc_properties(self, session: Mapping[str, str]) -> dict[str, str]:
        """Rows are fetched by a cursor: without one the driver holds all of a result in memory."""
        return {
            "sslMode": "PREFERRED",
            "allowPublicKeyRetrieval": "true",
            "tinyInt1isBit": "false",
            "useCursorFetch": "true",
            "connectTimeout": "30000",
            "connectionTimeZone": "UTC",
            "sessionVariables": self._assignments(session),
        }

    def jdbc_statements(self, session: Mapping[str, str]) -> list[str]:  # noqa: ARG002 (none is outdone)
        return []

    def columns_query(self, schema: str, table: str) -> str:
        return (
            "SELECT COLUMN_NAME, COLUMN_TYPE, CASE WHEN IS_NULLABLE = 'NO' THEN 'f' ELSE 't' END "
            "FROM information_schema.COLUMNS "
            f"WHERE TABLE_SCHEMA = {self.quote_text(schema)} AND TABLE_NAME = {self.quote_text(table)} "
            "ORDER BY ORDINAL_POSITION"
        )

    def distinct_values_query(self, schema: str, table: str) -> str:
        """A query of the indexes' statistics: of other columns the server knows none."""
        return (
            "SELECT COLUMN_NAME, CAST(max(CARDINALITY) AS CHAR) FROM information_schema.STATISTICS "
            f"WHERE TABLE_SCHEMA = {self.quote_text(schema)} AND TABLE_NAME = {self.quote_text(table)} "
            "AND SEQ_IN_INDEX = 1 GROUP BY COLUMN_NAME"
        )

    def sizes_query(self, schemas: Sequence[str]) -> str:
        names = ", ".join(map(self.quote_text, schemas))
        return (
            "SELECT TABLE_SCHEMA, TABLE_NAME, DATA_LENGTH, TABLE_ROWS FROM information_schema.TABLES "
            f"WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA IN ({names})"
        )


def _catalog_type(name: str, arguments: tuple[int, ...], *, is_unsigned: bool) -> str:
    if name in _WHOLE:
        return _WHOLE[name][is_unsigned]
    if name == "decimal" and len(arguments) == 2 and arguments[0] <= _MAX_PRECISION:
        return f"decimal({arguments[0]},{arguments[1]})"
    if name == "bit" and arguments in ((), (1,)):
        return "boolean"
    if name == "char" and len(arguments) == 1 and arguments[0]:
        return f"char({arguments[0]})"
    return _CATALOG_TYPES.get(name, "string")


def _refused_unless(value: str, expression: str) -> str:
    """A value that is NULL only where the expression is; else the server names the column, and stops.

    Neither has a function that raises: the error of a number that is too large shows what was added.
    """
    stop = f"({_GREATEST} + OCTET_LENGTH({expression}))"
    return f"CASE WHEN {expression} IS NULL THEN NULL WHEN {value} IS NULL THEN {stop} ELSE {value} END"


def _secret(name: str) -> str:
    return f"UNHEX(@millpond_{name})"


def _cannot_tell(expression: str, source_type: str) -> IngestError:
    return IngestError(
        f"MySQL and MariaDB cannot tell whether a value of {expression} fits {source_type}: "
        "register the column's new type, or leave the column out."
    )
