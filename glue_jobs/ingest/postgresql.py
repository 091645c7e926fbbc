"""PostgreSQL: its types, its SQL and its connections; see :class:`ingest.dialect.Dialect`."""

# ruff: noqa: S608 (names and literals are quoted by quote_name and quote_text)

from __future__ import annotations

import hashlib
import re
from typing import Mapping, Sequence

from ingest.dialect import Address, SourceType

_FORMAT = re.compile(
    r"(?P<base>.+?)(?:\((?P<arguments>[^()]*)\))?(?P<zone> with(?:out)? time zone)?(?P<array>(?:\[\])*)"
)

_CATALOG_TYPES = {
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "real": "float",
    "double precision": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "bytea": "binary",
}
_MAX_PRECISION = 38
_MAX_CHAR_LENGTH = 255
_NUMBERS = ("smallint", "integer", "bigint", "numeric")
_TIMESTAMPS = ("timestamp", "timestamptz")

EXAMPLES: Sequence[tuple[str, str]] = (
    ("smallint", "Iceberg's `int`"),
    ("integer", ""),
    ("bigint", ""),
    ("numeric(12,2)", "of at most 38 digits"),
    ("numeric(39,2)", "canonical text"),
    ("numeric", "canonical text: no type of the catalog holds every value"),
    ("real", ""),
    ("double precision", ""),
    ("boolean", ""),
    (
        "character(3)",
        "up to 255; landed and curated as Iceberg's `string`, without the blanks at its end, which "
        "PostgreSQL does not count; the column's doc has the length",
    ),
    ("character(256)", "likewise: Hive's `char` is no longer than 255"),
    ("bpchar", "without the blanks at its end, which PostgreSQL does not count"),
    ("character varying(20)", ""),
    ("text", ""),
    ("date", ""),
    ("timestamp without time zone", "microseconds, without zone"),
    ("timestamp with time zone", "microseconds, UTC"),
    ("time without time zone", "`HH:MM:SS.ffffff`"),
    ("interval", "ISO 8601, for example `P1Y2M3DT4H5M6.789S`"),
    ("bytea", ""),
    ("integer[]", "of one dimension; elements as above"),
    ("uuid", "PostgreSQL's own text of it"),
    ("jsonb", "likewise, and so is any type that is not named here: an enum, a domain, `inet`, `money` …"),
)
"""A type of each kind and what there is to say of it, for docs/contracts.md."""

# Types whose values travel as they are, beside decimals and chars.
_AS_IT_IS = (
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "boolean",
    "text",
    "character varying",
    "bytea",
)
_HMAC_BLOCK = 64
# Of the types with a length or a precision; without one they are of length 1.
_NEVER_ROUNDED = ("character", "bit")

_SESSION = {
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "on",
    "statement_timeout": "30min",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "0",
    "search_path": "",
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
    "intervalstyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    # A scan begins where the table does: rows that lie in the order of their keys come in it.
    "synchronize_seqscans": "off",
}
# What the JDBC driver starts every connection with, besides names.
_OF_THE_DRIVER = ("datestyle", "timezone", "extra_float_digits")


class PostgreSQL:
    """PostgreSQL 16 or newer; types are what ``format_type`` prints with an empty ``search_path``."""

    name = "postgresql"
    jdbc_driver = "org.postgresql.Driver"
    begin_snapshot = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    export_snapshot = "SELECT pg_catalog.pg_export_snapshot()"

    def type_of(self, source_type: str) -> SourceType:
        """Take the output of ``format_type`` apart.

        Examples
        --------
        >>> PostgreSQL().type_of("timestamp(3) with time zone[]").catalog_type
        'array<timestamptz>'
        """
        match = _FORMAT.fullmatch(source_type)
        if match is None:
            return SourceType(source_type)
        try:
            arguments = tuple(int(part) for part in (match["arguments"] or "").split(",") if part.strip())
        except ValueError:
            return SourceType(source_type)
        name, is_array = match["base"] + (match["zone"] or ""), bool(match["array"])
        kind = _catalog_type(name, arguments)
        if is_array:
            return SourceType(name, arguments, f"array<{kind}>", is_array=True)
        return SourceType(name, arguments, kind, is_number=name in _NUMBERS)

    def quote_name(self, name: str) -> str:
        """An identifier in double quotes.

        Examples
        --------
        >>> PostgreSQL().quote_name('the "Group" ')
        '"the ""Group"" "'
        """
        return '"' + name.replace('"', '""') + '"'

    def quote_text(self, text: str) -> str:
        """A string literal; the session has ``standard_conforming_strings`` on."""
        return "'" + text.replace("'", "''") + "'"

    def literal(self, text: str, source_type: str) -> str:
        return f"{self.quote_text(text)}::{source_type}"

    def text(self, expression: str) -> str:
        return f"{expression}::text"

    def masked(self, expression: str, action: str) -> str:
        value = f"convert_to({expression}::text, 'UTF8')"
        if action == "hash":
            return f"encode(sha256({_secret('masking_key')} || {value}), 'hex')"
        inner = f"sha256({_secret('masking_inner')} || {value})"
        return f"'tok_' || left(encode(sha256({_secret('masking_outer')} || {inner}), 'hex'), 32)"

    def wire(self, expression: str, kind: SourceType, label: str) -> str:
        if not kind.is_array:
            return _wire_scalar(expression, kind)
        message = self.quote_text(f"{label} holds an array with dimensions: ")
        dimensions = f"array_ndims({expression})"
        elements = (
            f"SELECT {_wire_scalar('e.v', kind.element)}::text "
            f"FROM unnest({expression}) WITH ORDINALITY AS e(v, i) ORDER BY e.i"
        )
        return (
            f"CASE WHEN {dimensions} > 1 THEN ({message} || {dimensions})::integer::text"
            f" WHEN {expression} IS NOT NULL THEN array_to_json(ARRAY({elements}))::text END"
        )

    def null_of_wire(self, kind: SourceType) -> str:
        if kind.is_array:
            wire = "text"
        elif kind.catalog_type in _TIMESTAMPS:
            wire = "bigint"
        elif kind.catalog_type == "date":
            wire = "integer"
        elif kind.catalog_type.startswith("decimal"):
            wire = "numeric"
        else:
            wire = kind.name if kind.name in _AS_IT_IS else "text"
        return f"NULL::{wire}"

    def converted(self, expression: str, source_type: str) -> str:
        text = f"{expression}::text"
        return f"CASE WHEN {self._is_valid(text, source_type)} THEN {text}::{source_type} END"

    def does_not_fit(self, expression: str, source_type: str) -> str:
        text, kind = f"{expression}::text", self.type_of(source_type)
        whole = f"{text}::{kind.name}{'[]' if kind.is_array else ''}"
        may_round = kind.arguments and kind.name not in _NEVER_ROUNDED
        is_exact = f"{text}::{source_type} = {whole}" if may_round else "true"
        fits = f"CASE WHEN {self._is_valid(text, source_type)} THEN {is_exact} ELSE false END"
        return f"({expression} IS NOT NULL AND NOT {fits})"

    def _is_valid(self, text: str, source_type: str) -> str:
        return f"pg_input_is_valid({text}, {self.quote_text(source_type)})"

    def quarantine(self, rules: Mapping[str, str], values: Mapping[str, str]) -> str:
        names = ", ".join(
            f"CASE WHEN {condition} THEN {self.quote_text(name)} END" for name, condition in rules.items()
        )
        columns = ", ".join(map(self.quote_text, values))
        row = f"json_object(ARRAY[{columns}]::text[], ARRAY[{', '.join(values.values())}]::text[])"
        return f"json_build_object('rules', array_remove(ARRAY[{names}]::text[], NULL), 'row', {row})::text"

    def newest(self, columns: str, source: str, keys: Sequence[str], by: str) -> str:
        key = ", ".join(keys)
        return f"SELECT DISTINCT ON ({key}) {columns} FROM {source} ORDER BY {key}, {by} DESC"

    def days(self, expression: str) -> str:
        return f"{expression} - DATE '1970-01-01'"

    def date(self, days: int) -> str:
        return f"DATE '1970-01-01' + {days}"

    def less(self, expression: str, difference: str, source_type: str) -> str:
        kind = source_type if self.type_of(source_type).is_number else "interval"
        return f"({expression} - {self.literal(difference, kind)})::{source_type}"

    def session_settings(self, masking_key: bytes | None = None) -> dict[str, str]:
        """Settings that make values the same whatever the role has configured, and protect the source.

        Parameters
        ----------
        masking_key : bytes, optional
            Becomes settings too, so that it is in no statement: as it is, and as the two padded keys of
            HMAC (RFC 2104), since PostgreSQL itself has SHA-256 alone.
        """
        if masking_key is None:
            return dict(_SESSION)
        block = masking_key if len(masking_key) <= _HMAC_BLOCK else hashlib.sha256(masking_key).digest()
        padded = block.ljust(_HMAC_BLOCK, b"\0")
        return {
            **_SESSION,
            "millpond.masking_key": masking_key.hex(),
            "millpond.masking_inner": bytes(byte ^ 0x36 for byte in padded).hex(),
            "millpond.masking_outer": bytes(byte ^ 0x5C for byte in padded).hex(),
        }

    def start_options(self, session: Mapping[str, str]) -> str:
        """Settings as the ``options`` that a connection starts with: no statement has them.

        Examples
        --------
        >>> PostgreSQL().start_options({"timezone": "UTC", "lock_timeout": "30s"})
        '-c timezone=UTC -c lock_timeout=30s'
        """
        return " ".join(f"-c {name}={_escaped(value)}" for name, value in session.items())

    def import_snapshot(self, snapshot_id: str) -> str:
        return f"SET TRANSACTION SNAPSHOT {self.quote_text(snapshot_id)}"

    def jdbc_url(self, address: Address) -> str:
        return f"jdbc:postgresql://{address.host}:{address.port}/{address.dbname}"

    def jdbc_properties(self, session: Mapping[str, str]) -> dict[str, str]:
        return {"ApplicationName": "ingest", "options": self.start_options(session)}

    def jdbc_statements(self, session: Mapping[str, str]) -> list[str]:
        return [f"SET {name} = {self.quote_text(session[name])}" for name in _OF_THE_DRIVER]

    def columns_query(self, schema: str, table: str) -> str:
        return (
            "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), "
            "CASE WHEN a.attnotnull THEN 'f' ELSE 't' END "
            "FROM pg_catalog.pg_attribute a "
            "JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE n.nspname = {self.quote_text(schema)} AND c.relname = {self.quote_text(table)} "
            "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped "
            "ORDER BY a.attnum"
        )

    def distinct_values_query(self, schema: str, table: str) -> str:
        """A query of ``pg_stats``, which the last ANALYZE filled."""
        return (
            "SELECT s.attname::text, max(CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * c.reltuples "
            "ELSE s.n_distinct END)::bigint::text "
            "FROM pg_catalog.pg_stats s "
            "JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname "
            "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename "
            f"WHERE s.schemaname = {self.quote_text(schema)} "
            f"AND s.tablename = {self.quote_text(table)} GROUP BY s.attname"
        )

    def sizes_query(self, schemas: Sequence[str]) -> str:
        """A partitioned table's data is in its leaves; reltuples is -1 before the first ANALYZE."""
        names = ", ".join(map(self.quote_text, schemas))
        return (
            "SELECT n.nspname, c.relname, sum(pg_table_size(leaf.oid))::bigint, "
            "sum(leaf.reltuples) FILTER (WHERE leaf.reltuples >= 0)::bigint "
            "FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "LEFT JOIN LATERAL (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) tree ON true "
            "JOIN pg_class leaf ON leaf.oid = coalesce(tree.relid, c.oid) "
            f"WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname IN ({names}) "
            "GROUP BY n.nspname, c.relname"
        )


def _catalog_type(name: str, arguments: tuple[int, ...]) -> str:
    """The Hive type of a scalar; a decimal must hold every value except NaN, a char every length."""
    if name == "numeric" and len(arguments) == 2:
        precision, scale = arguments
        if precision <= _MAX_PRECISION and 0 <= scale <= precision:
            return f"decimal({precision},{scale})"
    if name == "character" and len(arguments) == 1 and arguments[0] <= _MAX_CHAR_LENGTH:
        return f"char({arguments[0]})"
    return _CATALOG_TYPES.get(name, "string")


def _wire_scalar(expression: str, kind: SourceType) -> str:
    if kind.name in _AS_IT_IS or kind.catalog_type.startswith(("decimal", "char")):
        return expression
    if kind.catalog_type == "date":
        return f"({expression} - DATE '1970-01-01')"
    if kind.catalog_type in _TIMESTAMPS:
        return (
            f"(extract(epoch FROM date_trunc('second', {expression}))::bigint * 1000000"
            f" + extract(microseconds FROM {expression})::bigint % 1000000)"
        )
    if kind.name == "time without time zone":
        return f"to_char({expression}, 'HH24:MI:SS.US')"
    return f"{expression}::text"


def _secret(name: str) -> str:
    return f"decode(current_setting('millpond.{name}'), 'hex')"


def _escaped(value: str) -> str:
    """A value in ``options``, where a blank ends it."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
