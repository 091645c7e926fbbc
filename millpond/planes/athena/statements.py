"""Statements: what kind each is, and the parts of those that are no query.

DDL follows the Athena user guide, "DDL statements"; it is Hive's, so names may stand in backticks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.sql import not_understood, parse_query, understood

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^'\\]|''|\\.)*')|(?P<quoted>`[^`]*`|"(?:[^"]|"")*")"""
    r"""|(?P<word>[^\W\d][\w$]*|\d[\w.]*)|(?P<sign>.)""",
    re.DOTALL,
)


# A text of Hive's: its signs that are not written as themselves.
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\([0-3][0-7]{2})|\\(.)|''", re.DOTALL)
_SIGNS = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "0": "\0", "Z": "\x1a"}


def _unescaped(found: re.Match[str]) -> str:
    if found[1] or found[2]:
        return chr(int(found[1], 16) if found[1] else int(found[2], 8))
    return _SIGNS.get(found[3], found[3]) if found[3] else "'"


_DML = {"SELECT", "INSERT", "DELETE", "UPDATE", "MERGE", "OPTIMIZE", "VACUUM", "UNLOAD"}


@dataclass(frozen=True)
class TableName:
    """A name as it was written; no database means the session's, no catalog the account's."""

    database: str
    table: str
    catalog: str = ""


@dataclass(frozen=True)
class Statement:
    """Any statement.

    Parameters
    ----------
    kind : str
        ``SubstatementType`` of the API.
    """

    kind: str

    @property
    def statement_type(self) -> str:
        """``StatementType`` of the API."""
        if self.kind in _DML:
            return "DML"
        return "UTILITY" if self.kind.startswith(("SHOW", "DESCRIBE", "EXPLAIN")) else "DDL"


@dataclass(frozen=True)
class Query(Statement):
    node: exp.Expr = field(default_factory=exp.Null)


@dataclass(frozen=True)
class Explain(Statement):
    node: exp.Expr = field(default_factory=exp.Null)
    is_analyze: bool = False


@dataclass(frozen=True)
class CreateView(Statement):
    name: TableName = TableName("", "")
    sql: str = ""
    or_replace: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class CreateTableAs(Statement):
    name: TableName = TableName("", "")
    node: exp.Expr = field(default_factory=exp.Null)
    sql: str = ""
    if_not_exists: bool = False
    has_data: bool = True
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InsertInto(Statement):
    name: TableName = TableName("", "")
    columns: tuple[str, ...] = ()
    node: exp.Expr = field(default_factory=exp.Null)


@dataclass(frozen=True)
class ChangeRows(Statement):
    """``DELETE``, ``UPDATE`` and ``MERGE``, as ``kind`` says."""

    node: exp.Expr = field(default_factory=exp.Null)


@dataclass(frozen=True)
class Optimize(Statement):
    name: TableName = TableName("", "")
    condition: str = ""


@dataclass(frozen=True)
class Vacuum(Statement):
    name: TableName = TableName("", "")


@dataclass(frozen=True)
class Unload(Statement):
    node: exp.Expr = field(default_factory=exp.Null)
    sql: str = ""
    location: str = ""
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CreateDatabase(Statement):
    name: str = ""
    if_not_exists: bool = False
    comment: str = ""
    location: str = ""
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop(Statement):
    """``DROP DATABASE``, ``DROP TABLE`` and ``DROP VIEW``; the database alone for the first."""

    name: TableName = TableName("", "")
    if_exists: bool = False
    is_cascade: bool = False


@dataclass(frozen=True)
class HiveColumn:
    name: str
    type: str
    comment: str = ""


@dataclass(frozen=True)
class CreateTable(Statement):
    """``partitions`` are those of a table that is not external: columns and transforms of columns."""

    name: TableName = TableName("", "")
    if_not_exists: bool = False
    columns: tuple[HiveColumn, ...] = ()
    partition_keys: tuple[HiveColumn, ...] = ()
    partitions: tuple[str, ...] = ()
    is_external: bool = True
    comment: str = ""
    location: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    serde: str = ""
    serde_properties: dict[str, str] = field(default_factory=dict)
    stored_as: str = ""
    input_format: str = ""
    output_format: str = ""
    bucketed_by: tuple[str, ...] = ()
    buckets: int = 0


@dataclass(frozen=True)
class PartitionSpec:
    values: dict[str, str]
    location: str = ""


@dataclass(frozen=True)
class AlterPartitions(Statement):
    """Add, drop or move partitions, as ``kind`` says."""

    name: TableName = TableName("", "")
    partitions: tuple[PartitionSpec, ...] = ()
    is_tolerant: bool = False


@dataclass(frozen=True)
class AlterTable(Statement):
    """Set properties or the location, or change columns, as ``kind`` says.

    ``names`` are columns that go, the column that changes, or properties that are unset.
    """

    name: TableName = TableName("", "")
    properties: dict[str, str] = field(default_factory=dict)
    location: str = ""
    columns: tuple[HiveColumn, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repair(Statement):
    name: TableName = TableName("", "")


@dataclass(frozen=True)
class Show(Statement):
    """``SHOW …`` and ``DESCRIBE``; the pattern is a regular expression as Hive has it."""

    name: TableName = TableName("", "")
    pattern: str = ""


@dataclass(frozen=True)
class Prepared(Statement):
    """``PREPARE``, ``EXECUTE`` and ``DEALLOCATE PREPARE``."""

    name: str = ""
    sql: str = ""
    arguments: tuple[str, ...] = ()


def catalog_of(statement: Statement) -> str:
    """The catalog that is written before the name of what a statement makes, changes or shows."""
    name = getattr(statement, "name", None)
    return name.catalog if isinstance(name, TableName) else ""


def parse_statement(text: str) -> Statement:
    """Parse any statement.

    Raises
    ------
    QueryFailed
        ``SYNTAX_ERROR``, or that the statement is not supported.
    """
    reader = _Reader(text)
    first = reader.peek().upper()
    if first in ("SELECT", "WITH", "VALUES", "(", "TABLE"):
        return Query("SELECT", parse_query(text))
    parse = _PARSERS.get(first)
    if parse is None:
        raise reader.error()
    reader.next()
    statement = parse(reader)
    reader.accept(";")
    if not isinstance(statement, _TO_THE_END):
        reader.end()
    return statement


_TO_THE_END = (Query, Explain, CreateView, CreateTableAs, InsertInto, ChangeRows, Optimize, Prepared)


@dataclass(frozen=True)
class _Token:
    text: str
    start: int
    end: int
    kind: str


class _Reader:
    """Walks through the tokens of a statement."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = [
            _Token(match[0], match.start(), match.end(), str(match.lastgroup))
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "space"
        ]
        self._at = 0

    def peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].text if at < len(self._tokens) else ""

    def next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise self.error()
        self._at += 1
        return self._tokens[self._at - 1]

    def accept(self, *words: str) -> bool:
        """Step over some words, or none at all."""
        if all(self.peek(i).upper() == word for i, word in enumerate(words)):
            self._at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.accept(word):
                raise self.error()

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self.error()

    def error(self) -> QueryFailed:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        before = self.text[: token.start if token else len(self.text)]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return QueryFailed(
            "SYNTAX_ERROR", f"mismatched input '{token.text if token else '<EOF>'}'", line, column
        )

    def identifier(self) -> str:
        token = self.next()
        if token.kind == "quoted":
            return token.text[1:-1].replace('""', '"').lower()
        if token.kind != "word":
            self._at -= 1
            raise self.error()
        return token.text.lower()

    def table(self) -> TableName:
        parts = [self.identifier()]
        while self.accept("."):
            parts.append(self.identifier())
        if len(parts) > 3:
            raise self.error()
        catalog, database, table = ("", "", *parts)[-3:]
        return TableName(database, table, catalog)

    def string(self) -> str:
        token = self.next()
        if token.kind != "text":
            self._at -= 1
            raise self.error()
        return _ESCAPED.sub(_unescaped, token.text[1:-1])

    def properties(self) -> dict[str, str]:
        """``('key' = 'value', …)``."""
        self.expect("(")
        found: dict[str, str] = {}
        while not self.accept(")"):
            key = self.string()
            self.expect("=")
            found[key] = self.string()
            self.accept(",")
        return found

    def columns(self) -> tuple[HiveColumn, ...]:
        """``(name type COMMENT 'text', …)``."""
        self.expect("(")
        found = []
        while not self.accept(")"):
            found.append(self.column())
            if not self.accept(",") and self.peek() != ")":
                raise self.error()
        return tuple(found)

    def column(self) -> HiveColumn:
        """``name type COMMENT 'text'``."""
        name, type_ = self.identifier(), self._type()
        return HiveColumn(name, type_, self.string() if self.accept("COMMENT") else "")

    def strings(self) -> tuple[str, ...]:
        """``('a', 'b', …)``."""
        self.expect("(")
        found = [self.string()]
        while self.accept(","):
            found.append(self.string())
        self.expect(")")
        return tuple(found)

    def _type(self) -> str:
        parts: list[str] = []
        depth = 0
        while depth or not parts or self.peek() in ("<", "("):
            token = self.next()
            depth += (token.text in "<(") - (token.text in ">)")
            parts.append(token.text.lower())
        return "".join(parts)

    def names(self) -> tuple[str, ...]:
        self.expect("(")
        found = [self.identifier()]
        while self.accept(","):
            found.append(self.identifier())
        self.expect(")")
        return tuple(found)

    def partition(self) -> dict[str, str]:
        """``(key = 'value', …)``."""
        self.expect("(")
        found: dict[str, str] = {}
        while not self.accept(")"):
            key = self.identifier()
            self.expect("=")
            found[key] = self.string() if self.peek().startswith("'") else self.next().text
            self.accept(",")
        return found

    def rest(self) -> str:
        """The text from here to the end of the statement."""
        if self._at >= len(self._tokens):
            raise self.error()
        start = self._tokens[self._at].start
        self._at = len(self._tokens)
        return self.text[start:].rstrip().removesuffix(";").rstrip()

    def parenthesised(self) -> str:
        """The text within a pair of parentheses."""
        self.expect("(")
        start, depth = self._tokens[self._at].start, 1
        while depth:
            token = self.next()
            depth += (token.text == "(") - (token.text == ")")
        return self.text[start : token.start]

    def expressions(self) -> tuple[str, ...]:
        """``(a, f(b), …)`` as text."""
        self.expect("(")
        found: list[str] = []
        depth, start = 1, self._tokens[self._at].start if self._at < len(self._tokens) else 0
        while depth:
            token = self.next()
            depth += (token.text == "(") - (token.text == ")")
            if not depth or (depth == 1 and token.text == ","):
                found.append(self.text[start : token.start].strip())
                start = token.end
        return tuple(found)

    def option_values(self) -> dict[str, Any]:
        """``(key = value, …)`` of ``WITH``: text, numbers, booleans and arrays of text."""
        self.expect("(")
        found: dict[str, Any] = {}
        while not self.accept(")"):
            key = self.identifier()
            self.expect("=")
            found[key] = self._option()
            self.accept(",")
        return found

    def _option(self) -> Any:
        if self.accept("ARRAY"):
            self.expect("[")
            items = []
            while not self.accept("]"):
                items.append(self.string())
                self.accept(",")
            return items
        return self.string() if self.peek().startswith("'") else self.next().text.lower()


def _create(reader: _Reader) -> Statement:
    if reader.accept("DATABASE") or reader.accept("SCHEMA"):
        return _create_database(reader)
    or_replace = reader.accept("OR", "REPLACE")
    if reader.accept("VIEW"):
        name = reader.table()
        columns = reader.names() if reader.peek() == "(" else ()
        reader.expect("AS")
        return CreateView("CREATE_VIEW", name, reader.rest(), or_replace, columns)
    is_external = reader.accept("EXTERNAL")
    reader.expect("TABLE")
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    name = reader.table()
    if is_external or reader.peek() == "(":
        return _create_table(reader, name, if_not_exists, is_external)
    return _create_table_as(reader, name, if_not_exists)


def _create_database(reader: _Reader) -> CreateDatabase:
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    name = reader.identifier()
    comment = reader.string() if reader.accept("COMMENT") else ""
    location = reader.string() if reader.accept("LOCATION") else ""
    properties = reader.properties() if reader.accept("WITH", "DBPROPERTIES") else {}
    return CreateDatabase("CREATE_DATABASE", name, if_not_exists, comment, location, properties)


def _create_table_as(reader: _Reader, name: TableName, if_not_exists: bool) -> CreateTableAs:
    properties = reader.option_values() if reader.accept("WITH") else {}
    reader.expect("AS")
    sql = reader.rest()
    without = re.search(r"\s+WITH\s+(NO\s+)?DATA$", sql, re.IGNORECASE)
    if without:
        sql = sql[: without.start()]
    has_data = not (without and without[1])
    return CreateTableAs(
        "CREATE_TABLE_AS_SELECT", name, parse_query(sql), sql, if_not_exists, has_data, properties
    )


def _create_table(reader: _Reader, name: TableName, if_not_exists: bool, is_external: bool) -> CreateTable:
    # A table whose own log has its columns is made without.
    is_described = is_external and reader.peek().upper() in ("LOCATION", "TBLPROPERTIES", "COMMENT")
    parts: dict[str, Any] = {"columns": () if is_described else reader.columns()}
    while reader.peek() not in ("", ";"):
        if not is_external and reader.accept("PARTITIONED", "BY"):
            parts["partitions"] = reader.expressions()
        else:
            parts |= _table_clause(reader)
    if is_described and parts.get("properties", {}).get("table_type", "").upper() != "DELTA":
        raise QueryFailed("", "FAILED: SemanticException A table without columns must be of table_type DELTA")
    return CreateTable("CREATE_TABLE", name, if_not_exists, is_external=is_external, **parts)


def _table_clause(reader: _Reader) -> dict[str, Any]:
    if reader.accept("COMMENT"):
        return {"comment": reader.string()}
    if reader.accept("PARTITIONED", "BY"):
        return {"partition_keys": reader.columns()}
    if reader.accept("CLUSTERED", "BY"):
        return _buckets(reader)
    if reader.accept("LOCATION"):
        return {"location": reader.string()}
    if reader.accept("TBLPROPERTIES"):
        return {"properties": reader.properties()}
    if reader.accept("ROW", "FORMAT", "SERDE"):
        serde = reader.string()
        return {
            "serde": serde,
            "serde_properties": reader.properties() if reader.accept("WITH", "SERDEPROPERTIES") else {},
        }
    if reader.accept("ROW", "FORMAT", "DELIMITED"):
        return _delimited(reader)
    if reader.accept("STORED", "AS", "INPUTFORMAT"):
        input_format = reader.string()
        reader.expect("OUTPUTFORMAT")
        return {"input_format": input_format, "output_format": reader.string()}
    if reader.accept("STORED", "AS"):
        return {"stored_as": reader.identifier()}
    raise reader.error()


def _buckets(reader: _Reader) -> dict[str, Any]:
    """``CLUSTERED BY (…) INTO n BUCKETS``."""
    reader.expect("(")
    names = [reader.identifier()]
    while reader.accept(","):
        names.append(reader.identifier())
    reader.expect(")")
    reader.expect("INTO")
    if not reader.peek().isdecimal():
        raise reader.error()
    count = int(reader.next().text)
    reader.expect("BUCKETS")
    return {"bucketed_by": tuple(names), "buckets": count}


_DELIMITERS = {
    ("FIELDS", "TERMINATED", "BY"): "field.delim",
    ("ESCAPED", "BY"): "escape.delim",
    ("COLLECTION", "ITEMS", "TERMINATED", "BY"): "collection.delim",
    ("MAP", "KEYS", "TERMINATED", "BY"): "mapkey.delim",
    ("LINES", "TERMINATED", "BY"): "line.delim",
    ("NULL", "DEFINED", "AS"): "serialization.null.format",
}


def _delimited(reader: _Reader) -> dict[str, Any]:
    found: dict[str, str] = {}
    while key := next((key for words, key in _DELIMITERS.items() if reader.accept(*words)), ""):
        found[key] = reader.string()
    return {"serde": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", "serde_properties": found}


def _drop(reader: _Reader) -> Drop:
    if reader.accept("DATABASE") or reader.accept("SCHEMA"):
        if_exists = reader.accept("IF", "EXISTS")
        name = TableName(reader.identifier(), "")
        is_cascade = reader.accept("CASCADE")
        reader.accept("RESTRICT")
        return Drop("DROP_DATABASE", name, if_exists, is_cascade)
    kind = "DROP_VIEW" if reader.accept("VIEW") else "DROP_TABLE"
    if kind == "DROP_TABLE":
        reader.expect("TABLE")
    if_exists = reader.accept("IF", "EXISTS")
    name = reader.table()
    reader.accept("PURGE")
    return Drop(kind, name, if_exists)


def _alter(reader: _Reader) -> Statement:
    if reader.accept("DATABASE") or reader.accept("SCHEMA"):
        return _alter_database(reader)
    reader.expect("TABLE")
    name = reader.table()
    if changed := _alter_table(reader, name):
        return changed
    if reader.accept("ADD"):
        tolerant = reader.accept("IF", "NOT", "EXISTS")
        return AlterPartitions("ALTER_TABLE_ADD_PARTITION", name, _partitions(reader), tolerant)
    if reader.accept("DROP"):
        tolerant = reader.accept("IF", "EXISTS")
        return AlterPartitions("ALTER_TABLE_DROP_PARTITION", name, _partitions(reader), tolerant)
    return _alter_partition(reader, name)


def _alter_table(reader: _Reader, name: TableName) -> AlterTable | None:
    """What changes the table itself, rather than its partitions."""
    if reader.accept("RENAME", "TO"):
        return AlterTable("ALTER_TABLE_RENAME", name, names=(reader.table().table,))
    if reader.accept("ADD", "COLUMNS"):
        return AlterTable("ALTER_TABLE_ADD_COLUMNS", name, columns=reader.columns())
    if reader.accept("REPLACE", "COLUMNS"):
        return AlterTable("ALTER_TABLE_REPLACE_COLUMNS", name, columns=reader.columns())
    if reader.accept("DROP", "COLUMN"):
        return AlterTable("ALTER_TABLE_DROP_COLUMN", name, names=(reader.identifier(),))
    if reader.accept("CHANGE"):
        reader.accept("COLUMN")
        old = reader.identifier()
        return AlterTable("ALTER_TABLE_CHANGE_COLUMN", name, columns=(reader.column(),), names=(old,))
    if reader.accept("UNSET", "TBLPROPERTIES"):
        return AlterTable("ALTER_TABLE_UNSET_TBLPROPERTIES", name, names=reader.strings())
    if reader.accept("SET", "TBLPROPERTIES"):
        return AlterTable("ALTER_TABLE_SET_TBLPROPERTIES", name, properties=reader.properties())
    if reader.accept("SET", "LOCATION"):
        return AlterTable("ALTER_TABLE_SET_LOCATION", name, location=reader.string())
    return None


def _alter_database(reader: _Reader) -> CreateDatabase:
    database = reader.identifier()
    reader.expect("SET", "DBPROPERTIES")
    return CreateDatabase("ALTER_DATABASE", database, properties=reader.properties())


def _alter_partition(reader: _Reader, name: TableName) -> AlterPartitions:
    reader.expect("PARTITION")
    values = reader.partition()
    if reader.accept("RENAME", "TO", "PARTITION"):
        renamed = PartitionSpec(values), PartitionSpec(reader.partition())
        return AlterPartitions("ALTER_TABLE_RENAME_PARTITION", name, renamed)
    reader.expect("SET", "LOCATION")
    moved = PartitionSpec(values, reader.string())
    return AlterPartitions("ALTER_TABLE_SET_LOCATION", name, (moved,))


def _partitions(reader: _Reader) -> tuple[PartitionSpec, ...]:
    found = []
    while reader.accept("PARTITION"):
        values = reader.partition()
        found.append(PartitionSpec(values, reader.string() if reader.accept("LOCATION") else ""))
        reader.accept(",")
    if not found:
        raise reader.error()
    return tuple(found)


def _repair(reader: _Reader) -> Repair:
    reader.expect("REPAIR", "TABLE")
    return Repair("MSCK_REPAIR_TABLE", reader.table())


def _show(reader: _Reader) -> Show:
    if reader.accept("DATABASES") or reader.accept("SCHEMAS"):
        reader.accept("LIKE")
        return Show("SHOW_DATABASES", pattern=reader.string() if reader.peek().startswith("'") else "")
    if reader.peek().upper() in ("TABLES", "VIEWS"):
        kind = f"SHOW_{reader.next().text.upper()}"
        database = reader.identifier() if reader.accept("IN") or reader.accept("FROM") else ""
        reader.accept("LIKE")
        pattern = reader.string() if reader.peek().startswith("'") else ""
        return Show(kind, TableName(database, ""), pattern)
    if reader.accept("PARTITIONS"):
        return Show("SHOW_PARTITIONS", reader.table())
    if reader.accept("TBLPROPERTIES"):
        return Show("SHOW_TBLPROPERTIES", reader.table())
    if reader.accept("CREATE", "TABLE"):
        return Show("SHOW_CREATE_TABLE", reader.table())
    if reader.accept("CREATE", "VIEW"):
        return Show("SHOW_CREATE_VIEW", reader.table())
    reader.expect("COLUMNS")
    if not (reader.accept("IN") or reader.accept("FROM")):
        raise reader.error()
    name = reader.table()
    if reader.accept("IN") or reader.accept("FROM"):
        name = TableName(reader.identifier(), name.table)
    return Show("SHOW_COLUMNS", name)


def _describe(reader: _Reader) -> Show:
    if reader.accept("EXTENDED") or reader.accept("FORMATTED"):
        raise NotSupported("DESCRIBE EXTENDED and DESCRIBE FORMATTED")
    return Show("DESCRIBE_TABLE", reader.table())


def _explain(reader: _Reader) -> Explain:
    is_analyze = reader.accept("ANALYZE")
    if reader.peek() == "(" and reader.peek(1).upper() in ("TYPE", "FORMAT"):
        refusal = NotSupported("EXPLAIN with options")
        return Explain("EXPLAIN", not_understood(reader.rest(), refusal), is_analyze)
    return Explain("EXPLAIN", parse_query(reader.rest()), is_analyze)


def _insert(reader: _Reader) -> InsertInto:
    reader.expect("INTO")
    name = reader.table()
    columns = reader.names() if reader.peek() == "(" and reader.peek(1).upper() not in _QUERY_WORDS else ()
    return InsertInto("INSERT", name, columns, parse_query(reader.rest()))


def _delete(reader: _Reader) -> ChangeRows:
    return ChangeRows("DELETE", parse_query(reader.text))


def _update(reader: _Reader) -> ChangeRows:
    return ChangeRows("UPDATE", parse_query(reader.text))


def _merge(reader: _Reader) -> ChangeRows:
    return ChangeRows("MERGE", parse_query(reader.text))


def _optimize(reader: _Reader) -> Optimize:
    name = reader.table()
    reader.expect("REWRITE", "DATA", "USING", "BIN_PACK")
    condition = reader.rest() if reader.accept("WHERE") else ""
    if not condition:
        reader.accept(";")
        reader.end()
    return Optimize("OPTIMIZE", name, condition)


def _vacuum(reader: _Reader) -> Vacuum:
    return Vacuum("VACUUM", reader.table())


def _unload(reader: _Reader) -> Unload:
    sql = reader.parenthesised()
    node = parse_query(sql)
    reader.expect("TO")
    location = reader.string()
    return Unload("UNLOAD", node, sql, location, reader.option_values() if reader.accept("WITH") else {})


def _prepare(reader: _Reader) -> Prepared:
    name = reader.identifier()
    reader.expect("FROM")
    return Prepared("PREPARE", name, reader.rest())


def _execute(reader: _Reader) -> Prepared:
    name = reader.identifier()
    if not reader.accept("USING"):
        return Prepared("EXECUTE", name)
    listed = understood(parse_query(f"SELECT {reader.rest()}"))
    return Prepared("EXECUTE", name, arguments=tuple(e.sql("trino") for e in listed.expressions))


def _deallocate(reader: _Reader) -> Prepared:
    reader.expect("PREPARE")
    return Prepared("DEALLOCATE_PREPARE", reader.identifier())


_QUERY_WORDS = ("SELECT", "WITH", "VALUES", "(", "TABLE")
_PARSERS: dict[str, Callable[[_Reader], Statement]] = {
    "ALTER": _alter,
    "CREATE": _create,
    "DEALLOCATE": _deallocate,
    "DELETE": _delete,
    "DESC": _describe,
    "DESCRIBE": _describe,
    "DROP": _drop,
    "EXECUTE": _execute,
    "EXPLAIN": _explain,
    "INSERT": _insert,
    "MERGE": _merge,
    "MSCK": _repair,
    "OPTIMIZE": _optimize,
    "PREPARE": _prepare,
    "SHOW": _show,
    "UNLOAD": _unload,
    "UPDATE": _update,
    "VACUUM": _vacuum,
}


def bind(text: str, arguments: Sequence[str]) -> str:
    """Put arguments, each the text of one expression, into the places of a statement's question marks.

    Raises
    ------
    QueryFailed
        If there are more or fewer arguments than places, or one of them is no expression.
    """
    places = [match for match in _TOKEN.finditer(text) if match[0] == "?" and match.lastgroup == "sign"]
    if len(places) != len(arguments):
        message = f"Incorrect number of parameters: expected {len(places)} but found {len(arguments)}"
        raise QueryFailed("INVALID_PARAMETER_USAGE", message, 1, 1)
    for argument in arguments:
        parsed = understood(parse_query(f"SELECT {argument}"))
        parts = {name for name, value in parsed.args.items() if value}
        if parts != {"expressions"} or len(parsed.expressions) != 1:
            raise QueryFailed("INVALID_PARAMETER_USAGE", f"{argument!r} is not one expression")
    values = iter(arguments)
    return _TOKEN.sub(lambda m: next(values) if m[0] == "?" and m.lastgroup == "sign" else m[0], text)


_WORD = re.compile(r"[A-Za-z_]\w*")
_CONSTANTS = ("null", "true", "false")


def parameter(value: str) -> str:
    """The expression that an execution parameter is: a word that is no constant is text.

    awswrangler's tests against Athena give ``Washington`` and ``b`` as values of string columns. A parameter
    cannot name a column, since it is bound before a statement has any.
    """
    lower = value.lower()
    is_constant = lower in _CONSTANTS or lower.startswith(("current_", "localtime"))
    return f"'{value}'" if _WORD.fullmatch(value) and not is_constant else value
