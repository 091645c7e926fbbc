"""Trino queries compiled to one DuckDB statement.

Names are resolved here, against the catalog, so the statement that DuckDB sees has only generated names:
every relation an alias of its own (``r1``), every output column its number (``out 1``). No two have one name:
DuckDB takes a name within an expression of ORDER BY for a column of FROM before one of the result.
"""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sqlglot import exp

from millpond.planes.athena.casts import coerce
from millpond.planes.athena.conditions import comparisons
from millpond.planes.athena.exceptions import NotSupported, Place, QueryFailed
from millpond.planes.athena.expressions import (
    ExpressionCompiler,
    comparison,
    direction,
    is_aggregate,
    own_nodes,
    sort_key,
)
from millpond.planes.athena.grammar import position
from millpond.planes.athena.kernels import Kernel, fail
from millpond.planes.athena.relations import Column, Relation, Scope, Typed
from millpond.planes.athena.sql import deep_recursion, parse_query, understood
from millpond.planes.athena.types import (
    BIGINT,
    TIMESTAMP_TZ,
    TIMESTAMP_WITH_TIME_ZONE,
    UNKNOWN,
    Type,
    can_coerce,
    common_type,
    duckdb_type,
    literal,
    quote,
    without_zones,
)

if TYPE_CHECKING:
    from millpond.planes.athena.iceberg.tables import TableSnapshot

_MAX_VIEW_DEPTH = 10
_MAX_RECURSION = 10
_GROUPING: dict[type[exp.Expr], str] = {
    exp.GroupingSets: "GROUPING SETS",
    exp.Cube: "CUBE",
    exp.Rollup: "ROLLUP",
}


Listing = Callable[[Mapping[str, Sequence[str]]], Iterable[Sequence[Any]] | None]
"""The rows of a relation that no file holds, or None if they are the partitions of its table.

It is given the columns that the query compares with constants, and those; other rows need not come.
"""


@dataclass(frozen=True)
class StoredTable:
    """A table of the catalog.

    Parameters
    ----------
    database, name : str
        Lower case.
    columns : tuple of Column
        Those in the files, then the partition keys, then the hidden ones.
    partition_keys : tuple of str
        Names of the last columns.
    iceberg : TableSnapshot, optional
        What is read of an Iceberg table; None for a table of Hive's kind.
    metadata_table : str
        For ``"t$snapshots"`` and the like, the word behind the dollar sign.
    listing : callable, optional
        Gives the rows, where no file holds them.
    """

    database: str
    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[str, ...]
    iceberg: TableSnapshot | None = None
    metadata_table: str = ""
    listing: Listing | None = None

    def is_filtered_by(self, column: Column) -> bool:
        """Whether less is to be read where a query compares this column with constants."""
        return self.iceberg is not None or self.listing is not None or column.name in self.partition_keys


@dataclass(frozen=True)
class StoredView:
    """A view of the catalog.

    Parameters
    ----------
    sql : str
        Its query.
    database : str
        What the names in it are relative to.
    columns : tuple of str
        Names of its columns.
    types : tuple of str
        Their types, as Trino writes them; empty where the catalog does not tell.
    """

    sql: str
    database: str
    columns: tuple[str, ...]
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class AsOf:
    """``FOR TIMESTAMP AS OF`` or ``FOR VERSION AS OF`` with its value, a constant."""

    kind: str
    value: Typed


class TableSource(Protocol):
    """Where tables come from."""

    def find(
        self, catalog: str, database: str, table: str, place: Place, as_of: AsOf | None = None
    ) -> StoredTable | StoredView: ...


@dataclass(frozen=True)
class Filter:
    """A comparison of one column with constants, which a row of a query must pass.

    Parameters
    ----------
    column : str
        ``sql_name`` of the column.
    operator : str
        ``=``, ``<``, ``<=``, ``>``, ``>=``, ``in``, ``is null`` or ``is not null``.
    values : tuple of str
        The constants, each of the column's type, in DuckDB's SQL.
    """

    column: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass
class Scan:
    """One reading of a table.

    Parameters
    ----------
    name : str
        The relation that the statement reads, to be made before it runs.
    alias : str
        What the statement calls it, and what the predicates refer to.
    table : StoredTable
        What to read.
    predicates : list of str
        Conditions on partition keys alone, in DuckDB's SQL; other partitions need not be read.
    filters : list of Filter
        Conditions of one column each, by which files, partitions or databases need not be read.
    """

    name: str
    alias: str
    table: StoredTable
    predicates: list[str] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)


@dataclass(frozen=True)
class CompiledQuery:
    """What to run.

    Parameters
    ----------
    sql : str
        The DuckDB statement.
    columns : tuple of Column
        Of its result.
    scans : tuple of Scan
        What it reads.
    """

    sql: str
    columns: tuple[Column, ...]
    scans: tuple[Scan, ...]


def compile_query(node: exp.Expr, source: TableSource, database: str) -> CompiledQuery:
    """Compile a query for DuckDB.

    Parameters
    ----------
    node : Expr
        A syntax tree of :func:`millpond.planes.athena.sql.parse_query`.
    source : TableSource
        The catalog.
    database : str
        What a table name without one is relative to.
    """
    understood(node)
    compiler = _QueryCompiler(source, database)
    with deep_recursion():
        sql, columns = compiler.query(node, None)
    casts = ", ".join(f"{_output(c)} AS {quote(c.sql_name)}" for c in columns)
    named = [Column(c.name or f"_col{i}", c.sql_name, c.type) for i, c in enumerate(columns)]
    return CompiledQuery(f"SELECT {casts} FROM ({sql})", tuple(named), tuple(compiler.scans))


def _output(column: Column) -> str:
    """A column of the result, with exactly the type it was found to have; a zoned time as its UTC time."""
    name = quote(column.sql_name)
    if column.type.name == TIMESTAMP_TZ:
        return f"timezone('UTC', {name})"
    return f"CAST({name} AS {duckdb_type(without_zones(column.type))})"


@dataclass
class _From:
    """The SQL of a FROM clause and what it brings into scope."""

    sql: str
    relations: list[Relation]
    merged: dict[str, Typed] = field(default_factory=dict)

    def scope(self, parent: Scope | None) -> Scope:
        return Scope(self.relations, self.merged, parent=parent)


def _too_deep(_value: object) -> object:
    message = (
        f"Recursion depth limit exceeded ({_MAX_RECURSION}). Use 'max_recursion_depth' session property to "
        "modify the limit."
    )
    raise fail("NOT_SUPPORTED", message)


class _QueryCompiler:
    def __init__(self, source: TableSource, database: str) -> None:
        self._source = source
        self._database = database
        self._counters: dict[str, int] = {}
        self._tables: dict[str, Relation] = {}
        self._view_depth = 0
        self.scans: list[Scan] = []

    def fresh(self, prefix: str) -> str:
        self._counters[prefix] = self._counters.get(prefix, 0) + 1
        return f"{prefix}{self._counters[prefix]}"

    def subquery(self, node: exp.Expr, scope: Scope) -> tuple[str, list[Column]]:
        return self.query(node, scope)

    def query(self, node: exp.Expr, outer: Scope | None) -> tuple[str, list[Column]]:
        """Any query: ``SELECT``, a set operation, ``VALUES``, or one of them in parentheses."""
        before = self._tables
        prefix = self._with_clause(node, outer)
        try:
            if isinstance(node, exp.Select):
                sql, columns = self._select(node, outer)
            elif isinstance(node, exp.SetOperation):
                sql, columns = self._set_operation(node, outer)
            elif isinstance(node, exp.Values):
                sql, columns = self._values(node, outer)
            elif isinstance(node, exp.Subquery):
                sql, columns = self._parenthesised(node, outer)
            else:
                raise NotSupported(f"{type(node).__name__} as a query", *position(node))
        finally:
            self._tables = before
        return f"{prefix}{sql}", columns

    # WITH

    def _with_clause(self, node: exp.Expr, outer: Scope | None) -> str:
        clause = node.args.get("with_")
        if clause is None:
            return ""
        is_recursive = bool(clause.args.get("recursive"))
        self._tables = dict(self._tables)
        seen: set[str] = set()
        for cte in clause.expressions:
            if cte.alias.lower() in seen:
                message = f"WITH query name '{cte.alias.lower()}' specified more than once"
                raise QueryFailed("DUPLICATE_NAMED_QUERY", message, *position(cte))
            seen.add(cte.alias.lower())
        parts = [self._common_table(cte, outer, is_recursive) for cte in clause.expressions]
        return f"WITH {'RECURSIVE ' if is_recursive else ''}{', '.join(parts)} "

    def _common_table(self, cte: exp.Expr, outer: Scope | None, is_recursive: bool) -> str:
        name, sql_name = cte.alias.lower(), self.fresh("with")
        alias_columns = [c.name for c in cte.args["alias"].args.get("columns") or []]
        body = cte.this
        if is_recursive and isinstance(body, exp.Union) and not alias_columns:
            raise QueryFailed(
                "MISSING_COLUMN_ALIASES", "missing column aliases in recursive WITH query", *position(cte)
            )
        refers = is_recursive and any(t.name.lower() == name and not t.db for t in body.find_all(exp.Table))
        if refers and isinstance(body, exp.Union) and not body.args.get("distinct"):
            return self._recursive_table(cte, body, sql_name, alias_columns, outer)
        if refers and isinstance(body, exp.Union):
            _, anchor = self.query(body.left.copy(), outer)
            self._tables[name] = Relation(sql_name, (name,), _renamed(anchor, alias_columns))
        sql, columns = self.query(body, outer)
        renamed = _renamed(columns, alias_columns, position(cte))
        self._tables[name] = Relation(sql_name, (name,), renamed)
        listed = ", ".join(quote(c.sql_name) for c in renamed)
        return f"{quote(sql_name)} ({listed}) AS ({sql})"

    def _recursive_table(
        self, cte: exp.Expr, body: exp.Union, sql_name: str, names: list[str], outer: Scope | None
    ) -> str:
        """A recursive query as its steps, as many as Trino allows, and one more that must be empty."""
        name = cte.alias.lower()
        sql, anchor = self.query(body.left, outer)
        columns = _renamed(anchor, names, position(cte))
        listed = ", ".join(quote(c.sql_name) for c in columns)
        parts = [f"{quote(f'{sql_name}_0')} ({listed}) AS MATERIALIZED ({sql})"]
        for depth in range(1, _MAX_RECURSION + 2):
            self._tables[name] = Relation(f"{sql_name}_{depth - 1}", (name,), columns)
            sql, found = self.query(body.right, outer)
            if len(found) != len(columns) or not all(
                can_coerce(f.type, c.type) for f, c in zip(found, columns, strict=True)
            ):
                message = "base and recursion relations of recursive WITH have different types"
                raise QueryFailed("TYPE_MISMATCH", message, *position(cte))
            wanted = [Column(c.name, f.sql_name, c.type) for f, c in zip(found, columns, strict=True)]
            step = _as_columns(sql, found, wanted)
            parts.append(f"{quote(f'{sql_name}_{depth}')} ({listed}) AS MATERIALIZED ({step})")
        kernel = Kernel(_too_deep, (columns[0].type,), columns[0].type, takes_null=True)
        guard = ", ".join(
            [kernel.sql([quote(columns[0].sql_name)]), *(quote(c.sql_name) for c in columns[1:])]
        )
        steps = [f"SELECT * FROM {quote(f'{sql_name}_{depth}')}" for depth in range(_MAX_RECURSION + 1)]
        steps.append(f"SELECT {guard} FROM {quote(f'{sql_name}_{_MAX_RECURSION + 1}')}")
        self._tables[name] = Relation(sql_name, (name,), columns)
        return f"{', '.join(parts)}, {quote(sql_name)} ({listed}) AS ({' UNION ALL '.join(steps)})"

    # FROM

    def _from(self, node: exp.Expr, outer: Scope | None) -> _From:
        clause = node.args.get("from_")
        if clause is None:
            return _From("", [])
        result = self._relation(clause.this, outer)
        for join in node.args.get("joins") or []:
            result = self._join(result, join, outer)
        return result

    def _relation(self, node: exp.Expr, outer: Scope | None) -> _From:
        if isinstance(node, exp.Table):
            result = self._table(node)
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            inner = self._relation(node.this, outer)
            result = _From(f"({inner.sql})", inner.relations, inner.merged)
        elif isinstance(node, exp.Subquery):
            sql, columns = self.query(node, outer)
            result = self._derived(sql, columns, node)
        elif isinstance(node, exp.Values):
            sql, columns = self._values(node, outer)
            result = self._derived(sql, columns, node)
        elif isinstance(node, exp.Unnest):
            result = self._unnest(node, outer or Scope())
        elif isinstance(node, exp.Lateral):
            sql, columns = self.query(node.this.unnest(), outer)
            result = self._derived(sql, columns, node, "LATERAL ")
        else:
            raise NotSupported(f"{type(node).__name__} in a FROM clause", *position(node))
        for join in node.args.get("joins") or []:
            result = self._join(result, join, outer)
        return result

    def _derived(self, sql: str, columns: Sequence[Column], node: exp.Expr, prefix: str = "") -> _From:
        alias, names = self.fresh("r"), _alias_columns(node)
        called = node.alias.lower()
        relation = Relation(alias, (called,) if called else (), _renamed(columns, names, position(node)))
        return _From(f"{prefix}({sql}) AS {quote(alias)}", [relation])

    def _table(self, node: exp.Table) -> _From:
        if not isinstance(node.this, exp.Identifier):
            raise NotSupported(f"The table function {node.this.sql('trino')}", *position(node))
        name, database, catalog = node.name.lower(), node.db.lower(), node.catalog.lower()
        called, names = node.alias.lower(), _alias_columns(node)
        if not database and name in self._tables:
            table = self._tables[name]
            relation = Relation(self.fresh("r"), (called or name,), _renamed(table.columns, names))
            listed = ", ".join(quote(c.sql_name) for c in relation.columns)
            return _From(f"{quote(table.alias)} AS {quote(relation.alias)} ({listed})", [relation])
        catalog, database = catalog or "awsdatacatalog", database or self._database
        if not database:
            message = "Schema must be specified when session schema is not set"
            raise QueryFailed("MISSING_SCHEMA_NAME", message, *position(node))
        as_of = self._as_of(node.args.get("version"))
        found = self._source.find(catalog, database, name, position(node), as_of)
        qualified = (called,) if called else (catalog, database, name)
        if isinstance(found, StoredView):
            return self._view(found, qualified, names, position(node))
        scan = Scan(self.fresh("scan"), self.fresh("r"), found)
        self.scans.append(scan)
        relation = Relation(scan.alias, qualified, _renamed(found.columns, names))
        return _From(f"{quote(scan.name)} AS {quote(scan.alias)}", [relation])

    def _as_of(self, version: exp.Version | None) -> AsOf | None:
        if version is None:
            return None
        kind, node = version.name.upper(), version.expression
        if version.args.get("kind") != "AS OF" or node is None:
            raise NotSupported(f"{version.sql('trino')}", *position(version))
        value = ExpressionCompiler(self, Scope(), clause="AS OF").compile(node)
        if kind == "TIMESTAMP" and common_type(value.type, TIMESTAMP_WITH_TIME_ZONE) is not None:
            return AsOf(kind, coerce(value, TIMESTAMP_WITH_TIME_ZONE))
        if kind == "VERSION" and (value.type.is_integral or value.type.name == "varchar"):
            return AsOf(kind, value)
        message = f"Type {value.type} invalid. Expected a {'moment' if kind == 'TIMESTAMP' else 'snapshot'}"
        raise QueryFailed("TYPE_MISMATCH", message, *position(node))

    def _view(self, view: StoredView, names: tuple[str, ...], renamed: list[str], place: Place) -> _From:
        if self._view_depth >= _MAX_VIEW_DEPTH:
            raise QueryFailed("VIEW_IS_RECURSIVE", "The view refers to itself", *place)
        before = self._tables, self._database
        self._tables, self._database = {}, view.database
        self._view_depth += 1
        try:
            sql, columns = self.query(understood(parse_query(view.sql)), None)
        finally:
            self._tables, self._database = before
            self._view_depth -= 1
        if view.columns and len(view.columns) != len(columns):
            raise QueryFailed("VIEW_IS_STALE", "The view is stale; it must be re-created", *place)
        if view.types:
            sql, columns = self._declared(sql, columns, view, place)
        relation = Relation(self.fresh("r"), names, _renamed(columns, renamed or list(view.columns)))
        return _From(f"({sql}) AS {quote(relation.alias)}", [relation])

    def _declared(
        self, sql: str, columns: list[Column], view: StoredView, place: Place
    ) -> tuple[str, list[Column]]:
        """A view's query with the types that the view says its columns have."""
        wanted: list[Column] = []
        for name, column, text in zip(view.columns, columns, view.types, strict=True):
            declared = understood(parse_query(f"SELECT CAST(NULL AS {text})")).expressions[0]
            type_ = ExpressionCompiler(self, Scope(), clause="View").compile(declared).type
            if not can_coerce(column.type, type_):
                message = (
                    f"column [{name}] of type {column.type} projected from query view at position "
                    f"{len(wanted)} cannot be coerced to column [{name}] of type {type_} stored in view "
                    "definition"
                )
                raise QueryFailed("VIEW_IS_STALE", f"View is stale or in invalid state: {message}", *place)
            wanted.append(Column(column.name, column.sql_name, type_))
        return _as_columns(sql, columns, wanted), wanted

    def _unnest(self, node: exp.Unnest, scope: Scope) -> _From:
        expressions = ExpressionCompiler(self, scope, clause="UNNEST")
        items: list[tuple[str, Type]] = []
        lengths: list[str] = []
        for argument in node.expressions:
            value = expressions.compile(argument)
            if value.type.name == "map":
                key, element = value.type.elements
                items += [
                    (f"unnest(map_keys({value.sql}))", key),
                    (f"unnest(map_values({value.sql}))", element),
                ]
            elif value.type.name == "array":
                items += _unnested(value)
            else:
                message = f"Cannot unnest type: {value.type}"
                raise QueryFailed("TYPE_MISMATCH", message, *position(argument))
            lengths.append(
                f"coalesce(len({value.sql}), 0)"
                if value.type.name == "array"
                else f"coalesce(cardinality({value.sql}), 0)"
            )
        names = _alias_columns(node)
        if offset := node.args.get("offset"):
            longest = f"greatest({', '.join(lengths)})" if len(lengths) > 1 else lengths[0]
            items.append((f"unnest(range(1, CAST({longest} AS BIGINT) + 1))", BIGINT))
            if isinstance(offset, exp.Identifier):
                names = [*names, offset.name]
        columns = [Column("", self.fresh("out "), type_) for _, type_ in items]
        listed = ", ".join(
            f"{sql} AS {quote(c.sql_name)}" for (sql, _), c in zip(items, columns, strict=True)
        )
        alias, called = self.fresh("r"), node.alias.lower()
        relation = Relation(alias, (called,) if called else (), _renamed(columns, names, position(node)))
        return _From(f"LATERAL (SELECT {listed}) AS {quote(alias)}", [relation])

    def _join(self, left: _From, join: exp.Join, outer: Scope | None) -> _From:
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        target = join.this
        sees_left = isinstance(target, exp.Unnest | exp.Lateral)
        right = self._relation(target, left.scope(outer) if sees_left else outer)
        for relation in left.relations if side in ("RIGHT", "FULL") else []:
            relation.is_optional = True
        for relation in right.relations if side in ("LEFT", "FULL") else []:
            relation.is_optional = True
        both = _From("", [*left.relations, *right.relations], {**left.merged, **right.merged})
        using, on = join.args.get("using"), join.args.get("on")
        if using:
            condition = self._using(using, left, right, both, side, outer)
        elif on is not None:
            condition = ExpressionCompiler(self, both.scope(outer), clause="JOIN ON clause").boolean(on)
        elif kind == "CROSS" or not (side or kind):
            word = "," if not kind and not sees_left else " CROSS JOIN"
            return _From(f"{left.sql}{word} {right.sql}", both.relations, both.merged)
        else:
            raise QueryFailed("SYNTAX_ERROR", "A JOIN needs ON or USING", *position(join))
        word = f"{side} JOIN" if side else "JOIN"
        return _From(f"{left.sql} {word} {right.sql} ON {condition}", both.relations, both.merged)

    def _using(
        self,
        using: Iterable[exp.Expr],
        left: _From,
        right: _From,
        both: _From,
        side: str,
        outer: Scope | None,
    ) -> str:
        conditions = []
        for identifier in using:
            name, place = identifier.name.lower(), position(identifier)
            one, other = (part.scope(outer).find([name], place) for part in (left, right))
            if one is None or other is None:
                missing = "left" if one is None else "right"
                message = f"Column '{name}' is missing from {missing} side of join"
                raise QueryFailed("COLUMN_NOT_FOUND", message, *place)
            common = common_type(one.value.type, other.value.type)
            if common is None:
                raise QueryFailed("TYPE_MISMATCH", f"Column types of '{name}' do not match", *place)
            a, b = coerce(one.value, common), coerce(other.value, common)
            conditions.append(comparison("=", one.value, other.value, common, place))
            values = {"FULL": f"coalesce({a.sql}, {b.sql})", "RIGHT": b.sql}
            both.merged[name] = Typed(values.get(side, a.sql), common)
        return " AND ".join(conditions)

    # SELECT

    def _select(self, node: exp.Select, outer: Scope | None) -> tuple[str, list[Column]]:
        source = self._from(node, outer)
        scope = source.scope(outer)
        where = self._where(node, scope)
        group_sql, grouped_by = self._group_by(node, scope)
        expressions = ExpressionCompiler(
            self, scope, grouped_by=grouped_by, has_aggregates=True, clause="SELECT clause"
        )
        items = list(self._items(node, scope, expressions))
        columns = [Column(name, self.fresh("out "), value.type) for name, value in items]
        listed = ", ".join(
            f"{v.sql} AS {quote(c.sql_name)}" for (_, v), c in zip(items, columns, strict=True)
        )
        distinct = node.args.get("distinct")
        parts = [f"SELECT {'DISTINCT ' if distinct else ''}{listed}"]
        if source.sql:
            parts.append(f"FROM {source.sql}")
        if where:
            parts.append(f"WHERE {where}")
        if group_sql:
            parts.append(f"GROUP BY {group_sql}")
        if (having := node.args.get("having")) is not None:
            inner = ExpressionCompiler(
                self, scope, grouped_by=grouped_by, has_aggregates=True, clause="HAVING clause"
            )
            parts.append(f"HAVING {inner.boolean(having.this)}")
        if windows := node.args.get("windows"):
            named = (f"{quote(w.name.lower())} AS ({expressions.window(w)})" for w in windows)
            parts.append(f"WINDOW {', '.join(named)}")
        if (order := node.args.get("order")) is not None:
            parts.append(self._order(order, node, columns, expressions))
            if distinct:
                self._check_distinct(order, node, columns, expressions, {value.sql for _, value in items})
        self._check_correlated(node, scope)
        return " ".join([*parts, *self._limits(node)]), columns

    def _check_correlated(self, node: exp.Select, scope: Scope) -> None:
        """Refuse the queries of rows around them that Trino cannot take apart.

        Raises
        ------
        QueryFailed
            ``NOT_SUPPORTED``, in Trino's words.
        """
        clause = node.args.get("from_")
        is_bare = clause is None and node.args.get("where") is not None
        is_unnested = clause is not None and isinstance(clause.this, exp.Unnest)
        if scope.reaches_out and (is_bare or is_unnested or node.args.get("having") is not None):
            raise QueryFailed("NOT_SUPPORTED", "Given correlated subquery is not supported", *position(node))

    def _where(self, node: exp.Expr, scope: Scope) -> str:
        clause = node.args.get("where")
        if clause is None:
            return ""
        conditions = []
        for conjunct in _conjuncts(clause.this):
            expressions = ExpressionCompiler(self, scope, clause="WHERE clause")
            sql = expressions.boolean(conjunct)
            conditions.append(sql)
            if conjunct.find(exp.Query) is None:
                self._offer_predicate(sql, expressions)
                self._offer_filters(conjunct, scope)
        return " AND ".join(conditions)

    def _offer_predicate(self, sql: str, expressions: ExpressionCompiler) -> None:
        """Give a condition on partition keys of one table to its scan."""
        relations = {id(found.relation): found.relation for found in expressions.found}
        relation = next(iter(relations.values()), None)
        if len(relations) != 1 or relation is None or relation.is_optional:
            return
        scan = next((s for s in self.scans if s.alias == relation.alias), None)
        if scan is None or any(found.is_outer for found in expressions.found):
            return
        names = {found.column.sql_name for found in expressions.found if found.column is not None}
        if names <= set(scan.table.partition_keys):
            scan.predicates.append(sql)

    def _offer_filters(self, node: exp.Expr, scope: Scope) -> None:
        """Give what a condition says of one column of a table to its scan."""
        for operator, side, constants in comparisons(node):
            column = ExpressionCompiler(self, scope, clause="WHERE clause")
            value = column.compile(side)
            found = column.found[0]
            scan = next((s for s in self.scans if found.relation and s.alias == found.relation.alias), None)
            if scan is None or found.is_outer or found.column is None:
                continue
            assert found.relation is not None
            if not scan.table.is_filtered_by(found.column):
                continue
            is_whole = value.sql == found.value.sql and not value.type.elements
            if found.relation.is_optional or found.column.is_hidden or not is_whole:
                continue
            given = [ExpressionCompiler(self, Scope(), clause="WHERE clause").compile(c) for c in constants]
            if all(_keeps_type(value.type, one.type) for one in given):
                values = tuple(coerce(one, value.type).sql for one in given)
                scan.filters.append(Filter(found.column.sql_name, operator, values))

    def _group_by(self, node: exp.Select, scope: Scope) -> tuple[str, frozenset[str] | None]:
        group = node.args.get("group")
        plain = ExpressionCompiler(self, scope, clause="GROUP BY clause")
        if group is None:
            clauses = [*node.expressions, node.args.get("having"), node.args.get("order")]
            uses = any(is_aggregate(n) for c in clauses if c is not None for n in own_nodes(c))
            return "", frozenset() if uses or node.args.get("having") is not None else None
        known: list[str] = []
        if group.args.get("all") is False:
            raise NotSupported("GROUP BY DISTINCT", *position(group))

        def key(item: exp.Expr) -> str:
            if isinstance(item, exp.Literal) and item.is_int:
                item = self._ordinal(item, node.expressions, "GROUP BY")
            value = plain.compile(item.this if isinstance(item, exp.Paren) else item)
            known.append(value.sql)
            return f"({value.sql})" if isinstance(item, exp.Literal) else value.sql

        def keys(item: exp.Expr) -> str:
            if word := _GROUPING.get(type(item)):
                for part in item.find_all(exp.Expr):
                    is_plain = isinstance(
                        part, exp.Column | exp.Tuple | exp.Paren | exp.Identifier | type(item)
                    )
                    if not is_plain and part.find_ancestor(exp.Column) is None:
                        message = f"GROUP BY expression must be a column reference: {part.sql('trino')}"
                        raise QueryFailed("INVALID_COLUMN_REFERENCE", message, *position(part))
                return f"{word} ({', '.join(keys(inner) for inner in item.expressions)})"
            if isinstance(item, exp.Tuple):
                return f"({', '.join(key(inner) for inner in item.expressions)})"
            return key(item)

        return ", ".join(keys(item) for item in group.expressions), frozenset(known)

    def _ordinal(self, item: exp.Expr, expressions: Sequence[exp.Expr], clause: str) -> exp.Expr:
        number = int(item.name)
        if not 1 <= number <= len(expressions):
            message = f"{clause} position {number} is not in select list"
            raise QueryFailed("INVALID_COLUMN_REFERENCE", message, *position(item))
        chosen = expressions[number - 1]
        if isinstance(chosen, exp.Star) or chosen.is_star:
            raise NotSupported(f"{clause} by the number of a column that a star stands for", *position(item))
        return chosen.unalias()

    def _items(
        self, node: exp.Select, scope: Scope, expressions: ExpressionCompiler
    ) -> Iterable[tuple[str, Typed]]:
        for item in node.expressions:
            if isinstance(item, exp.Star):
                if not scope.relations:
                    raise QueryFailed(
                        "COLUMN_NOT_FOUND",
                        "SELECT * not allowed in queries without FROM clause",
                        *position(item),
                    )
                if expressions.is_grouped:
                    yield from self._grouped_star(item, scope, expressions)
                else:
                    yield from scope.visible()
            elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                yield from self._qualified_star(item, scope)
            elif isinstance(item, exp.Alias):
                yield item.alias, expressions.compile(item.this)
            else:
                named = item.this if isinstance(item, exp.Column | exp.Dot) else None
                name = item.expression.name if isinstance(item, exp.Dot) else (named.name if named else "")
                yield name, expressions.compile(item)

    def _grouped_star(
        self, item: exp.Expr, scope: Scope, expressions: ExpressionCompiler
    ) -> Iterable[tuple[str, Typed]]:
        for name, value in scope.visible():
            if not expressions.is_key(value):
                message = f"Column '{name}' not in GROUP BY clause"
                raise QueryFailed("EXPRESSION_NOT_AGGREGATE", message, *position(item))
            yield name, value

    def _qualified_star(self, item: exp.Column, scope: Scope) -> Iterable[tuple[str, Typed]]:
        qualifier = [part.name.lower() for part in item.parts[:-1]]
        relation = next((r for r in scope.relations if r.is_called(qualifier)), None)
        if relation is None:
            raise QueryFailed("TABLE_NOT_FOUND", f"Table '{'.'.join(qualifier)}' not found", *position(item))
        for column in relation.columns:
            if not column.is_hidden:
                yield column.name, relation.reference(column)

    def _order(
        self, order: exp.Expr, node: exp.Select, columns: Sequence[Column], expressions: ExpressionCompiler
    ) -> str:
        aliases = {e.alias.lower(): e.this for e in node.expressions if isinstance(e, exp.Alias)}
        outputs = {c.name.lower(): c for c in reversed(columns) if c.name}
        parts = []
        for item in order.expressions:
            key = item.this
            if isinstance(key, exp.Literal) and key.is_int:
                if not 1 <= int(key.name) <= len(columns):
                    message = f"ORDER BY position {key.name} is not in select list"
                    raise QueryFailed("INVALID_COLUMN_REFERENCE", message, *position(key))
                value = _named(columns[int(key.name) - 1])
            elif isinstance(key, exp.Column) and len(key.parts) == 1 and key.name.lower() in outputs:
                value = _named(outputs[key.name.lower()])
            else:
                value = expressions.compile(_without_aliases(key, aliases))
            parts.append(sort_key(value, direction(item), position(key)))
        return f"ORDER BY {', '.join(parts)}"

    def _check_distinct(
        self,
        order: exp.Expr,
        node: exp.Select,
        columns: Sequence[Column],
        expressions: ExpressionCompiler,
        chosen: set[str],
    ) -> None:
        """Rows without doubles are sorted by what is selected alone."""
        names = {column.name.lower() for column in columns}
        aliases = {e.alias.lower(): e.this for e in node.expressions if isinstance(e, exp.Alias)}
        for item in order.expressions:
            key = item.this
            is_named = isinstance(key, exp.Column) and len(key.parts) == 1 and key.name.lower() in names
            is_number = isinstance(key, exp.Literal) and key.is_int
            if (
                not (is_named or is_number)
                and expressions.compile(_without_aliases(key, aliases)).sql not in chosen
            ):
                message = "For SELECT DISTINCT, ORDER BY expressions must appear in select list"
                raise QueryFailed("EXPRESSION_NOT_IN_DISTINCT", message, *position(node))

    def _limits(self, node: exp.Expr) -> list[str]:
        parts = []
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if isinstance(limit, exp.Fetch):
            limit_value = limit.args.get("count") or exp.Literal.number(1)
        else:
            limit_value = limit.expression if limit is not None else None
        if limit_value is not None and limit_value.name.upper() != "ALL":
            parts.append(f"LIMIT {_whole_number(limit_value)}")
        if offset is not None:
            parts.append(f"OFFSET {_whole_number(offset.expression)}")
        return parts

    # Other queries

    def _parenthesised(self, node: exp.Subquery, outer: Scope | None) -> tuple[str, list[Column]]:
        sql, columns = self.query(node.this, outer)
        return self._tail(f"({sql})", columns, node, outer)

    def _set_operation(self, node: exp.SetOperation, outer: Scope | None) -> tuple[str, list[Column]]:
        left_sql, left = self.query(node.left, outer)
        right_sql, right = self.query(node.right, outer)
        if len(left) != len(right):
            name = type(node).__name__.upper()
            message = f"{name} query has different number of fields: {len(left)}, {len(right)}"
            raise QueryFailed("TYPE_MISMATCH", message, *position(node))
        columns = []
        for number, (one, other) in enumerate(zip(left, right, strict=True), 1):
            common = common_type(one.type, other.type)
            if common is None:
                message = f"column {number} in {type(node).__name__.upper()} query has incompatible types: "
                raise QueryFailed("TYPE_MISMATCH", f"{message}{one.type}, {other.type}", *position(node))
            columns.append(Column(one.name, one.sql_name, common))
        word = type(node).__name__.upper() + ("" if node.args.get("distinct") else " ALL")
        sql = f"({_as_columns(left_sql, left, columns)}) {word} ({_as_columns(right_sql, right, columns)})"
        return self._tail(sql, columns, node, outer)

    def _tail(
        self, sql: str, columns: list[Column], node: exp.Expr, outer: Scope | None
    ) -> tuple[str, list[Column]]:
        """ORDER BY and LIMIT of a set operation or of a query in parentheses."""
        order, limits = node.args.get("order"), self._limits(node)
        if order is None and not limits:
            return sql, columns
        relation = Relation(self.fresh("r"), (), columns)
        expressions = ExpressionCompiler(self, Scope([relation], parent=outer), clause="ORDER BY clause")
        parts = [f"SELECT * FROM ({sql}) AS {quote(relation.alias)}"]
        if order is not None:
            keys = []
            for item in order.expressions:
                if isinstance(item.this, exp.Literal) and item.this.is_int:
                    if not 1 <= int(item.this.name) <= len(columns):
                        message = f"ORDER BY position {item.this.name} is not in select list"
                        raise QueryFailed("INVALID_COLUMN_REFERENCE", message, *position(item))
                    named = _named(columns[int(item.this.name) - 1])
                    keys.append(sort_key(named, direction(item), position(item)))
                else:
                    keys.append(expressions.ordered(item))
            parts.append(f"ORDER BY {', '.join(keys)}")
        return " ".join([*parts, *limits]), columns

    def _values(self, node: exp.Values, outer: Scope | None) -> tuple[str, list[Column]]:
        expressions = ExpressionCompiler(self, outer or Scope(), clause="VALUES")
        rows = [[expressions.compile(v) for v in _columns_of(item)] for item in node.expressions]
        for values in rows:
            if len(values) != len(rows[0]):
                message = f"Values rows have mismatched sizes: {len(rows[0])} vs {len(values)}"
                raise QueryFailed("TYPE_MISMATCH", message, *position(node))
        types: list[Type] = []
        for index in range(len(rows[0])):
            common: Type | None = UNKNOWN
            for values in rows:
                common = common_type(common, values[index].type) if common is not None else None
            if common is None:
                raise QueryFailed("TYPE_MISMATCH", "Values rows have mismatched types", *position(node))
            types.append(common)
        columns = [Column("", self.fresh("out "), type_) for type_ in types]
        listed = ", ".join(
            f"({', '.join(coerce(v, t).sql for v, t in zip(values, types, strict=True))})" for values in rows
        )
        names = ", ".join(quote(c.sql_name) for c in columns)
        return f"SELECT * FROM (VALUES {listed}) AS {quote(self.fresh('r'))} ({names})", columns


def _columns_of(item: exp.Expr) -> list[exp.Expr]:
    """The columns of an item of VALUES, which may be written as a row."""
    parts = list(item.expressions) if isinstance(item, exp.Tuple) else [item]
    if len(parts) == 1 and isinstance(parts[0], exp.Anonymous) and parts[0].name.lower() == "row":
        return list(parts[0].expressions)
    return parts


def _named(column: Column) -> Typed:
    return Typed(quote(column.sql_name), column.type, is_atomic=True)


def _unnested(value: Typed) -> list[tuple[str, Type]]:
    """An array in an UNNEST; each field of an array of rows becomes a column."""
    element = value.type.elements[0]
    if element.name != "row":
        return [(f"unnest({value.sql})", element)]
    return [
        (f"unnest(list_transform({value.sql}, lambda e: struct_extract(e, {literal(name)})))", type_)
        for name, type_ in zip(element.field_names, element.elements, strict=True)
    ]


def _alias_columns(node: exp.Expr) -> list[str]:
    alias = node.args.get("alias")
    return [c.name for c in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []


def _renamed(columns: Sequence[Column], names: Sequence[str], place: Place = (None, None)) -> list[Column]:
    if not names:
        return list(columns)
    visible = [c for c in columns if not c.is_hidden]
    if len(names) != len(visible):
        message = f"Column alias list has {len(names)} entries but relation has {len(visible)} columns"
        raise QueryFailed("MISMATCHED_COLUMN_ALIASES", message, *place)
    return [Column(name, c.sql_name, c.type) for name, c in zip(names, visible, strict=True)]


def _as_columns(sql: str, given: Sequence[Column], wanted: Sequence[Column]) -> str:
    values = [
        coerce(Typed(quote(a.sql_name), a.type), b.type).sql for a, b in zip(given, wanted, strict=True)
    ]
    names = [quote(column.sql_name) for column in wanted]
    if values == names:
        return sql
    listed = ", ".join(f"{value} AS {name}" for value, name in zip(values, names, strict=True))
    return f"SELECT {listed} FROM ({sql})"


def _keeps_type(column: Type, constant: Type) -> bool:
    """Whether a comparison with a constant is one of values of the column's own type."""
    common = common_type(column, constant)
    if common is None:
        return False
    return common == column or (common.name == column.name == "varchar")


def _conjuncts(node: exp.Expr) -> list[exp.Expr]:
    return list(node.flatten()) if isinstance(node, exp.And) else [node]


def _without_aliases(node: exp.Expr, aliases: Mapping[str, exp.Expr]) -> exp.Expr:
    """An ORDER BY expression with the select list's aliases replaced by what they name."""

    def replace(part: exp.Expr) -> exp.Expr:
        if isinstance(part, exp.Column) and len(part.parts) == 1 and part.name.lower() in aliases:
            return exp.Paren(this=aliases[part.name.lower()].copy())
        return part

    return node.transform(replace)


def _whole_number(node: exp.Expr) -> int:
    if not (isinstance(node, exp.Literal) and node.is_int):
        raise NotSupported(f"LIMIT or OFFSET {node.sql('trino')}", *position(node))
    return int(node.name)
