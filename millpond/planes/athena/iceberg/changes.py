"""Statements that change the rows of Iceberg tables: each is one snapshot, or none if no row changes.

Rows are deleted as engine version 3 does it, by position delete files ("merge on read"); an updated row is
deleted and written anew (Athena user guide, "Update Iceberg table data").
"""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from sqlglot import exp

from millpond.planes.athena import statements as st
from millpond.planes.athena.catalog import GlueCatalog
from millpond.planes.athena.exceptions import CATALOG, NotSupported, Place, QueryFailed
from millpond.planes.athena.grammar import position
from millpond.planes.athena.iceberg import properties
from millpond.planes.athena.iceberg.commit import FileChange
from millpond.planes.athena.iceberg.files import FileWriter
from millpond.planes.athena.iceberg.filters import row_filter
from millpond.planes.athena.iceberg.maintenance import optimize, vacuum
from millpond.planes.athena.iceberg.plan import PlannedFile, plan_files
from millpond.planes.athena.iceberg.scan import PATH, POSITION, RowReader
from millpond.planes.athena.iceberg.schemas import new_schema
from millpond.planes.athena.iceberg.tables import TableSnapshot, at_version
from millpond.planes.athena.iceberg.transforms import new_spec
from millpond.planes.athena.queries import AsOf, CompiledQuery, StoredTable, StoredView, compile_query
from millpond.planes.athena.relations import Column, Typed
from millpond.planes.athena.scans import Scanner
from millpond.planes.athena.sql import parse_query, understood
from millpond.planes.athena.types import BIGINT, Type, quote
from millpond.planes.athena.writes import Written, aligned, assigned, check_names, is_taken, named

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from mypy_boto3_s3 import S3Client

_CHANGED = "changed rows"
_CTAS_OPTIONS = properties.KNOWN | {"location", "is_external", "partitioning"}


class _RowSource:
    """The catalog with the position of a row in its file as a hidden column of Iceberg tables."""

    def __init__(self, catalog: GlueCatalog) -> None:
        self._catalog = catalog

    def find(
        self, catalog: str, database: str, table: str, place: Place, as_of: AsOf | None = None
    ) -> StoredTable | StoredView:
        found = self._catalog.find(catalog, database, table, place, as_of)
        if not isinstance(found, StoredTable) or found.iceberg is None or found.metadata_table:
            return found
        hidden = Column(POSITION, POSITION, BIGINT, is_hidden=True)
        return replace(found, columns=(*found.columns, hidden))


@dataclass(frozen=True)
class _Target:
    """The table that a statement changes.

    Parameters
    ----------
    table : Table
        As the statement found it.
    stored : StoredTable
        The same as queries see it.
    node : Table of sqlglot
        How the statement names it.
    """

    table: Table
    stored: StoredTable
    node: exp.Table

    @property
    def columns(self) -> list[Column]:
        return [column for column in self.stored.columns if not column.is_hidden]

    def column(self, name: str) -> exp.Column:
        """A column of it in an expression."""
        return exp.column(exp.to_identifier(name, quoted=True), table=self.node.alias_or_name)


class IcebergWriter:
    """Runs the statements that write to Iceberg tables.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Reads and writes rows.
    s3 : S3Client
        Takes and removes files.
    catalog : GlueCatalog
        Has the tables.
    database : str
        What a name without a database is relative to.
    query_id : str
        Goes into the names of the files.
    directory : Path
        For files until they are uploaded.
    """

    def __init__(
        self,
        connection: DuckDBPyConnection,
        s3: S3Client,
        catalog: GlueCatalog,
        database: str,
        query_id: str,
        directory: Path,
    ) -> None:
        self._connection = connection
        self._s3 = s3
        self._catalog = catalog
        self._database = database
        self._query_id = query_id
        self._directory = directory

    def create_table_as(self, statement: st.CreateTableAs, default_location: str) -> Written:
        """Make a table and write a query's result into it."""
        options = dict(statement.properties)
        database, name = statement.name.database or self._database, statement.name.table
        if is_taken(self._catalog, database, name, if_not_exists=statement.if_not_exists):
            return Written(0, [])
        if unknown := sorted(set(options) - _CTAS_OPTIONS):
            message = f"Catalog '{CATALOG}' table property '{unknown[0]}' does not exist"
            raise QueryFailed("INVALID_TABLE_PROPERTY", message, 1, 1)
        partitions = [str(part) for part in options.pop("partitioning", [])]
        location = str(options.pop("location", "") or default_location)
        options.pop("is_external", None)
        query = self._compile(statement.node, self._catalog)
        check_names(query.columns, [])
        table = self._create(database, name, query.columns, partitions, location, options)
        if not statement.has_data:
            return Written(0, [])
        return self._append(table, named(query))

    def _create(
        self,
        database: str,
        name: str,
        columns: Sequence[Column],
        partitions: Sequence[str],
        location: str,
        options: dict[str, Any],
    ) -> Table:
        given = {key: str(value) for key, value in options.items() if key != "table_type"}
        properties.check(given)
        try:
            schema = new_schema([(c.name.lower(), c.type, "") for c in columns])
        except ValueError as error:
            raise QueryFailed("NOT_SUPPORTED", str(error), 1, 1) from error
        return self._catalog.iceberg.create(
            database, name, schema, new_spec(partitions, schema), location, given
        )

    def insert(self, statement: st.InsertInto) -> Written:
        """Write a query's result into a table."""
        target = self._target(exp.table_(statement.name.table, db=statement.name.database or None))
        query = self._compile(statement.node, self._catalog)
        return self._append(target.table, aligned(query, target.columns, statement.columns))

    def _append(self, table: Table, sql: str) -> Written:
        writer = self._writer(table)
        added = writer.commit(lambda: (Operation.APPEND, FileChange(writer.rows(sql))))
        return Written(sum(file.record_count for file in added), [file.file_path for file in added])

    def change(self, statement: st.ChangeRows) -> Written:
        """Delete, update or merge rows."""
        actions = {"DELETE": self._delete, "UPDATE": self._update, "MERGE": self._merge}
        return actions[statement.kind](understood(statement.node))

    def _delete(self, node: exp.Expr) -> Written:
        target = self._target(node.this)
        select = _select([target.column(PATH), target.column(POSITION)], node.this, node.args.get("where"))
        query = self._compile(select, _RowSource(self._catalog))
        self._remember(_numbered(query))
        return self._commit_rows(target, "")

    def _update(self, node: exp.Expr) -> Written:
        target = self._target(node.this)
        names = {column.name for column in target.columns}
        given: dict[str, exp.Expr] = {}
        for item in node.expressions:
            name = item.this.name.lower()
            if name not in names:
                message = f"The UPDATE SET target column {name} doesn't exist"
                raise QueryFailed("COLUMN_NOT_FOUND", message, *position(item))
            given[name] = item.expression
        values = [given.get(c.name) or target.column(c.name) for c in target.columns]
        select = _select(
            [target.column(PATH), target.column(POSITION), *values], node.this, node.args.get("where")
        )
        query = self._compile(select, _RowSource(self._catalog))
        self._remember(_numbered(query, target.columns))
        return self._commit_rows(target, f"SELECT * FROM {quote(_CHANGED)}")

    def _merge(self, node: exp.Expr) -> Written:
        target = self._target(node.this)
        whens = node.args["whens"].expressions
        outputs: list[exp.Expr] = [target.column(PATH), target.column(POSITION), _chosen(target, whens)]
        picks: list[dict[str, int]] = []
        for number, when in enumerate(whens, 1):
            pick: dict[str, int] = {}
            for name, value in _assignments(target, when).items():
                # A value is worked out only for the rows that take it.
                guard = exp.EQ(this=_chosen(target, whens), expression=exp.Literal.number(number))
                pick[name] = len(outputs)
                outputs.append(exp.Case(ifs=[exp.If(this=guard, true=value.copy())]))
            picks.append(pick)
        join = exp.Join(this=node.this.copy(), side="LEFT", on=node.args["on"].copy())
        select = exp.Select(expressions=outputs, from_=exp.From(this=node.args["using"].copy()), joins=[join])
        query = self._compile(select, _RowSource(self._catalog))
        self._remember(_numbered(query))
        self._refuse_double_matches()
        inserted = [
            _picked(query.columns, target.columns, pick, number)
            for number, (when, pick) in enumerate(zip(whens, picks, strict=True), 1)
            if not _is_delete(when)
        ]
        return self._commit_rows(target, " UNION ALL ".join(inserted), _CHOSEN)

    def _refuse_double_matches(self) -> None:
        twice = self._connection.execute(
            f'SELECT 1 FROM {quote(_CHANGED)} WHERE "#2" > 0 AND "#1" IS NOT NULL '
            'GROUP BY "#0", "#1" HAVING count(*) > 1 LIMIT 1'
        ).fetchone()
        if twice is not None:
            message = "One MERGE target table row matched more than one source row"
            raise QueryFailed("MERGE_TARGET_ROW_MULTIPLE_MATCHES", message)

    def _remember(self, sql: str) -> None:
        """Keep the rows that change: what is deleted and what is written come from one reading."""
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {quote(_CHANGED)} AS {sql}")

    def _commit_rows(self, target: _Target, inserted: str, condition: str = "true") -> Written:
        """Delete the remembered rows that have a position, and write those of a query."""
        writer = self._writer(target.table)
        touched = self._positions(condition)

        def change() -> tuple[Operation, FileChange]:
            gone, deletes = self._deletes(target, writer, touched)
            rows = writer.rows(inserted) if inserted else []
            operation = Operation.OVERWRITE if rows else Operation.DELETE
            if rows and not touched:
                operation = Operation.APPEND
            return operation, FileChange([*rows, *deletes], gone)

        added = writer.commit(change)
        found = self._connection.execute(
            f"SELECT count(*) FROM {quote(_CHANGED)} WHERE {condition}"
        ).fetchone()
        return Written(int(found[0]) if found else 0, [file.file_path for file in added])

    def _positions(self, condition: str) -> dict[str, list[int]]:
        rows = self._connection.execute(
            f'SELECT "#0", list("#1" ORDER BY "#1") FROM {quote(_CHANGED)} '
            f'WHERE "#1" IS NOT NULL AND ({condition}) GROUP BY "#0" ORDER BY "#0"'
        ).fetchall()
        return {str(path): positions for path, positions in rows}

    def _deletes(
        self, target: _Target, writer: FileWriter, touched: dict[str, list[int]]
    ) -> tuple[list[DataFile], list[DataFile]]:
        """Files that lose all their rows, and the delete files of the others."""
        assert target.stored.iceberg is not None
        files = {planned.path: planned for planned in plan_files(target.stored.iceberg)} if touched else {}
        gone, deletes = [], []
        for path, positions in touched.items():
            planned = files[path]
            if len(positions) == self._live_rows(target.stored.iceberg, planned):
                gone += [planned.file, *planned.own_deletes]
            else:
                deletes.append(writer.position_deletes(planned.file, positions))
        return gone, deletes

    def _live_rows(self, snapshot: TableSnapshot, planned: PlannedFile) -> int:
        """How many rows of a file no delete file has taken away yet."""
        if not planned.deletes:
            return int(planned.file.record_count)
        sql = RowReader(self._connection, snapshot).sql([planned])
        found = self._connection.execute(f"SELECT count(*) FROM ({sql})").fetchone()
        return int(found[0]) if found else 0

    def optimize(self, statement: st.Optimize) -> Written:
        """``OPTIMIZE … REWRITE DATA USING BIN_PACK``, of the partitions that a condition names."""
        name = exp.table_(statement.name.table, db=statement.name.database or None)
        target = self._target(name)
        node = _select([exp.Literal.number(1)], name, None)
        if statement.condition:
            condition = understood(parse_query(f"SELECT {statement.condition}")).expressions[0]
            node.set("where", exp.Where(this=condition))
        query = compile_query(node, self._catalog, self._database)
        self._refuse_other_columns(target, node)
        snapshot = at_version(target.table, None, (None, None))
        wanted = row_filter(self._connection, snapshot, query.scans[0].filters)
        files = optimize(self._connection, target.table, wanted, self._writer)
        return Written(0, [file.file_path for file in files])

    def _refuse_other_columns(self, target: _Target, node: exp.Expr) -> None:
        schema = target.table.schema()
        sources = {schema.find_field(f.source_id).name.lower() for f in target.table.spec().fields}
        if {column.name.lower() for column in node.find_all(exp.Column)} - sources:
            message = (
                "Unexpected FilterNode found in plan; probably connector was not able to handle provided "
                "WHERE expression"
            )
            raise QueryFailed("NOT_SUPPORTED", message)

    def vacuum(self, statement: st.Vacuum) -> Written:
        """``VACUUM``."""
        target = self._target(exp.table_(statement.name.table, db=statement.name.database or None))
        vacuum(self._s3, target.table)
        return Written(0, [])

    def _target(self, node: exp.Table) -> _Target:
        database = node.db.lower() or self._database
        place = position(node) if node.find(exp.Identifier).meta else (1, 1)  # type: ignore[union-attr]
        stored = self._catalog.find(CATALOG, database, node.name.lower(), place)
        if not isinstance(stored, StoredTable):
            raise QueryFailed("NOT_SUPPORTED", "Modifying the rows of a view is not supported", *place)
        if stored.iceberg is None or stored.metadata_table:
            message = "Modifying Hive table rows is only supported for transactional tables"
            raise QueryFailed("NOT_SUPPORTED", message, *place)
        return _Target(stored.iceberg.table, stored, node)

    def _compile(self, node: exp.Expr, source: GlueCatalog | _RowSource) -> CompiledQuery:
        query = compile_query(node, source, self._database)
        scanner = Scanner(self._connection, self._s3, self._catalog)
        for scan in query.scans:
            scanner.prepare(scan)
        return query

    def _writer(self, table: Table) -> FileWriter:
        return FileWriter(self._connection, self._s3, table, self._query_id, self._directory)


_CHOSEN = '"#2" > 0'


def _select(outputs: Sequence[exp.Expr], table: exp.Expr, where: exp.Expr | None) -> exp.Select:
    select = exp.Select(expressions=list(outputs), from_=exp.From(this=table.copy()))
    if where is not None:
        select.set("where", where.copy())
    return select


def _numbered(query: CompiledQuery, targets: Sequence[Column] = ()) -> str:
    """The query with its columns called ``#0``, ``#1``, …, or as those of a table after the first two."""
    parts = []
    for number, column in enumerate(query.columns):
        if targets and number >= 2:
            target = targets[number - 2]
            value = assigned(Typed(quote(column.sql_name), column.type), target.type, _mismatch)
            parts.append(f"{value} AS {quote(target.sql_name)}")
        else:
            parts.append(f"{quote(column.sql_name)} AS {quote(f'#{number}')}")
    return f"SELECT {', '.join(parts)} FROM ({query.sql})"


def _mismatch(source: Type, target: Type) -> str:
    return (
        f"UPDATE table column types don't match SET expressions: Table: [{target}], Expressions: [{source}]"
    )


def _is_delete(when: exp.Expr) -> bool:
    return not isinstance(when.args["then"], exp.Update | exp.Insert)


def _chosen(target: _Target, whens: Iterable[exp.Expr]) -> exp.Expr:
    """The number of the first clause that holds for a row; 0 if none does."""
    ifs = []
    for number, when in enumerate(whens, 1):
        is_missing = exp.Is(this=target.column(POSITION), expression=exp.Null())
        guard: exp.Expr = exp.Not(this=is_missing) if when.args.get("matched") else is_missing
        if condition := when.args.get("condition"):
            guard = exp.And(this=guard, expression=exp.Paren(this=condition.copy()))
        ifs.append(exp.If(this=guard, true=exp.Literal.number(number)))
    return exp.Case(ifs=ifs, default=exp.Literal.number(0))


def _assignments(target: _Target, when: exp.Expr) -> dict[str, exp.Expr]:
    """Each column of the table with the value that a clause gives it; none for DELETE."""
    then = when.args["then"]
    names = [column.name for column in target.columns]
    if isinstance(then, exp.Update):
        values = {item.this.name.lower(): item.expression for item in then.expressions}
        _refuse_unknown(values, names, when)
        return {name: values.get(name, target.column(name)) for name in names}
    if isinstance(then, exp.Insert):
        listed = then.this.expressions if isinstance(then.this, exp.Tuple) else []
        columns = [column.name.lower() for column in listed] or names
        given = then.expression.expressions
        if len(columns) != len(given):
            message = "MERGE clause case 0 mismatch in column count"
            raise QueryFailed("INVALID_ARGUMENTS", message, *position(when))
        _refuse_unknown(columns, names, when)
        return dict(zip(columns, given, strict=True))
    if then.name.upper() != "DELETE":
        raise NotSupported(f"MERGE with {then.sql('trino')}", *position(when))
    return {}


def _refuse_unknown(given: Iterable[str], names: Sequence[str], when: exp.Expr) -> None:
    if unknown := sorted(set(given) - set(names)):
        message = f"Merge column name does not exist in target table: {unknown[0]}"
        raise QueryFailed("COLUMN_NOT_FOUND", message, *position(when))


def _picked(columns: Sequence[Column], targets: Sequence[Column], pick: dict[str, int], number: int) -> str:
    """The rows that one clause of a MERGE writes."""
    parts = []
    for target in targets:
        index = pick.get(target.name)
        value = (
            Typed("NULL", target.type) if index is None else Typed(quote(f"#{index}"), columns[index].type)
        )
        parts.append(f"{assigned(value, target.type, _mismatch)} AS {quote(target.sql_name)}")
    return f'SELECT {", ".join(parts)} FROM {quote(_CHANGED)} WHERE "#2" = {number}'
