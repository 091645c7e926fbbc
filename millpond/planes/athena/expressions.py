"""Trino expressions compiled to DuckDB's SQL, with their types."""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
# ruff: noqa: SLF001 - the tables at its end name the compiler's own methods
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from sqlglot import exp

from millpond.planes.athena.aggregates import AGGREGATES, WINDOW_ONLY, AggregateCall
from millpond.planes.athena.casts import cast, coerce, comparable, padded
from millpond.planes.athena.exceptions import NotSupported, Place, QueryFailed
from millpond.planes.athena.functions import UNSUPPORTED, arithmetic, call
from millpond.planes.athena.grammar import position
from millpond.planes.athena.macros import without_errors
from millpond.planes.athena.relations import Column, Found, Relation, Scope, Typed
from millpond.planes.athena.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    TIMESTAMP,
    TIMESTAMP_TZ,
    TIMESTAMP_WITH_TIME_ZONE,
    UNBOUNDED,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    common_type,
    decimal,
    duckdb_type,
    literal,
    map_of,
    quote,
    row,
    varchar,
)


class SubqueryCompiler(Protocol):
    """What an expression needs of the compiler of queries."""

    def subquery(self, node: exp.Expr, scope: Scope) -> tuple[str, list[Column]]: ...

    def fresh(self, prefix: str) -> str: ...


class ExpressionCompiler:
    """Compiles the expressions of one scope.

    Parameters
    ----------
    queries : SubqueryCompiler
        For queries within expressions.
    scope : Scope
        What names mean.
    grouped_by : frozenset of str, optional
        DuckDB's SQL of the expressions of GROUP BY; columns outside of them and of aggregates are refused.
    has_aggregates : bool
        Whether aggregates are allowed here.
    clause : str
        Where this is, for an error.
    """

    def __init__(
        self,
        queries: SubqueryCompiler,
        scope: Scope,
        *,
        grouped_by: frozenset[str] | None = None,
        has_aggregates: bool = False,
        clause: str = "",
    ) -> None:
        self._queries = queries
        self._scope = scope
        self._grouped_by = grouped_by
        self._has_aggregates = has_aggregates
        self._clause = clause
        self.found: list[Found] = []

    def compile(self, node: exp.Expr) -> Typed:
        """Compile one expression.

        Raises
        ------
        QueryFailed
            Where Trino would refuse it, or where Millpond cannot do it.
        """
        if self._grouped_by is not None and not isinstance(node, exp.Paren | exp.Literal):
            plain = self._ungrouped(node)
            if plain is not None and plain.sql in self._grouped_by:
                return plain
        method = _METHODS.get(type(node))
        if method is None:
            raise NotSupported(f"{type(node).__name__} ({node.sql('trino')})", *position(node))
        return method(self, node)

    def boolean(self, node: exp.Expr) -> str:
        """Compile a condition."""
        value = self.compile(node)
        if value.type not in (BOOLEAN, UNKNOWN):
            message = f"{self._clause or 'Condition'} must evaluate to a boolean: actual type {value.type}"
            raise QueryFailed("TYPE_MISMATCH", message, *position(node))
        return value.sql

    def _ungrouped(self, node: exp.Expr) -> Typed | None:
        if _contains_aggregate(node):
            return None
        return self._with(grouped_by=None).compile(node)

    def _with(
        self,
        *,
        scope: Scope | None = None,
        grouped_by: frozenset[str] | None = None,
        has_aggregates: bool = False,
    ) -> ExpressionCompiler:
        other = ExpressionCompiler(
            self._queries,
            scope or self._scope,
            grouped_by=grouped_by,
            has_aggregates=has_aggregates,
            clause=self._clause,
        )
        other.found = self.found
        return other

    # Names and constants

    def _column(self, node: exp.Column) -> Typed:
        if isinstance(node.this, exp.Star):
            raise NotSupported("A star here", *position(node))
        parts = [part.name.lower() for part in node.parts]
        found, rest = self._resolve(parts, node)
        is_own = not found.is_outer and found.relation is not None
        if is_own and self._grouped_by is not None and found.value.sql not in self._grouped_by:
            shown = ".".join(f'"{part}"' for part in parts)
            raise QueryFailed(
                "EXPRESSION_NOT_AGGREGATE",
                f"'{shown}' must be an aggregate expression or appear in GROUP BY clause",
                *position(node),
            )
        value = found.value
        for name in rest:
            value = self._field(value, name, node)
        return value

    def _resolve(self, parts: list[str], node: exp.Expr) -> tuple[Found, list[str]]:
        for end in range(len(parts), 0, -1):
            found = self._scope.find(parts[:end], position(node))
            if found is not None and (end == len(parts) or found.value.type.name == "row"):
                self.found.append(found)
                return found, parts[end:]
        name = ".".join(parts)
        raise QueryFailed(
            "COLUMN_NOT_FOUND",
            f"Column '{name}' cannot be resolved "
            "or requester is not authorized to access requested resources",
            *position(node),
        )

    def _field(self, value: Typed, name: str, node: exp.Expr) -> Typed:
        names = [field.lower() for field in value.type.fields]
        if value.type.name != "row" or name not in names:
            raise QueryFailed(
                "TYPE_MISMATCH", f"Expression {node.sql('trino')} is not of type ROW", *position(node)
            )
        index = names.index(name)
        return Typed(f"({value.sql}).{quote(value.type.fields[index])}", value.type.elements[index])

    def _parameter(self, node: exp.Identifier) -> Typed:
        found, _ = self._resolve([node.name.lower()], node)
        return found.value

    def _dot(self, node: exp.Dot) -> Typed:
        return self._field(self.compile(node.this), node.expression.name.lower(), node)

    def _literal(self, node: exp.Literal) -> Typed:
        if node.is_string:
            return Typed(literal(node.this), varchar(len(node.this)))
        return _number(node.this, position(node))

    def _boolean_literal(self, node: exp.Boolean) -> Typed:
        return Typed("true" if node.this else "false", BOOLEAN)

    def _null(self, _node: exp.Null) -> Typed:
        return Typed("NULL", UNKNOWN)

    def _hex_string(self, node: exp.HexString) -> Typed:
        digits = re.sub(r"\s", "", str(node.this))
        return Typed(f"unhex('{digits}')", VARBINARY)

    def _paren(self, node: exp.Paren) -> Typed:
        value = self.compile(node.this)
        return Typed(f"({value.sql})", value.type)

    # Operators

    def _arithmetic(self, node: exp.Binary) -> Typed:
        operator = _ARITHMETIC[type(node)]
        left, right = self.compile(node.left), self.compile(node.right)
        if left.type.is_numeric and right.type.is_numeric:
            return arithmetic(operator, left, right, position(node))
        return _temporal_arithmetic(operator, left, right, position(node))

    def _comparison(self, node: exp.Binary) -> Typed:
        left, right = self.compile(node.left), self.compile(node.right)
        return self._compare(_COMPARISONS[type(node)], left, right, position(node))

    def _compare(self, operator: str, left: Typed, right: Typed, place: Place) -> Typed:
        common = common_type(left.type, right.type)
        if common is None:
            shown = {"IS NOT DISTINCT FROM": "IS DISTINCT FROM"}.get(operator, operator)
            raise QueryFailed(
                "TYPE_MISMATCH", f"Cannot apply operator: {left.type} {shown} {right.type}", *place
            )
        one, other = comparable([left, right], common)
        return Typed(f"({one} {operator} {other})", BOOLEAN)

    def _quantified(self, node: exp.Binary) -> Typed | None:
        """``x > ALL (SELECT …)`` and its kind; None if the right side is no such thing."""
        if not isinstance(node.right, exp.All | exp.Any):
            return None
        sql, columns = self._queries.subquery(node.right.this, self._scope)
        left = self.compile(node.left)
        inner = Typed("q", columns[0].type)
        common = common_type(left.type, inner.type)
        if common is None or len(columns) != 1:
            raise QueryFailed(
                "TYPE_MISMATCH", f"Cannot compare {left.type} with {inner.type}", *position(node)
            )
        word = "ALL" if isinstance(node.right, exp.All) else "ANY"
        value, column = comparable([left, Typed(quote(columns[0].sql_name), columns[0].type)], common)
        operator = _COMPARISONS[type(node)]
        return Typed(f"({value} {operator} {word}(SELECT {column} FROM ({sql})))", BOOLEAN)

    def _compared(self, node: exp.Binary) -> Typed:
        return self._quantified(node) or self._comparison(node)

    def _connective(self, node: exp.Binary) -> Typed:
        word = "AND" if isinstance(node, exp.And) else "OR"
        return Typed(f"({self.boolean(node.left)} {word} {self.boolean(node.right)})", BOOLEAN)

    def _not(self, node: exp.Not) -> Typed:
        return Typed(f"(NOT {self.boolean(node.this)})", BOOLEAN)

    def _negative(self, node: exp.Neg) -> Typed:
        if isinstance(node.this, exp.Literal) and not node.this.is_string:
            return _number(f"-{node.this.this}", position(node))
        value = self.compile(node.this)
        if not value.type.is_numeric and not value.type.name.startswith("interval"):
            raise QueryFailed("TYPE_MISMATCH", f"Cannot negate {value.type}", *position(node))
        return Typed(f"(- {value.sql})", value.type)

    def _is(self, node: exp.Is) -> Typed:
        value = self.compile(node.this)
        if not isinstance(node.expression, exp.Null):
            raise NotSupported(f"IS {node.expression.sql('trino')}", *position(node))
        word = "IS NOT NULL" if node.args.get("negate") else "IS NULL"
        return Typed(f"({value.sql} {word})", BOOLEAN)

    def _between(self, node: exp.Between) -> Typed:
        value = self.compile(node.this)
        low = self._compare(">=", value, self.compile(node.args["low"]), position(node))
        high = self._compare("<=", value, self.compile(node.args["high"]), position(node))
        return Typed(f"({low.sql} AND {high.sql})", BOOLEAN)

    def _in(self, node: exp.In) -> Typed:
        if (query := node.args.get("query")) is not None:
            return self._in_query(node, query)
        value = self.compile(node.this)
        options = [self.compile(option) for option in node.expressions]
        common: Type | None = value.type
        for option in options:
            common = common_type(common, option.type) if common is not None else None
        if common is None:
            types = ", ".join(str(option.type) for option in options)
            message = f"IN value and list items must be the same type or coercible: {value.type} and {types}"
            raise QueryFailed("TYPE_MISMATCH", message, *position(node))
        sqls = comparable([value, *options], common)
        return Typed(f"({sqls[0]} IN ({', '.join(sqls[1:])}))", BOOLEAN)

    def _in_query(self, node: exp.In, query: exp.Expr) -> Typed:
        sql, columns = self._queries.subquery(query, self._scope)
        if isinstance(node.this, exp.Tuple):
            values = [self.compile(part) for part in node.this.expressions]
        else:
            values = [self.compile(node.this)]
        commons = [common_type(v.type, c.type) for v, c in zip(values, columns, strict=False)]
        if len(values) != len(columns) or None in commons:
            raise QueryFailed(
                "TYPE_MISMATCH", "The value and the query of IN have different types", *position(node)
            )
        pairs = [
            comparable([v, Typed(quote(c.sql_name), c.type)], t)
            for v, c, t in zip(values, columns, commons, strict=True)
            if t is not None
        ]
        left, inner = ", ".join(p[0] for p in pairs), ", ".join(p[1] for p in pairs)
        return Typed(f"(({left}) IN (SELECT {inner} FROM ({sql})))", BOOLEAN)

    def _exists(self, node: exp.Exists) -> Typed:
        sql, _ = self._queries.subquery(node.this, self._scope)
        return Typed(f"EXISTS ({sql})", BOOLEAN)

    def _scalar_query(self, node: exp.Expr) -> Typed:
        sql, columns = self._queries.subquery(node, self._scope)
        if len(columns) != 1:
            raise NotSupported("A scalar query of several columns", *position(node))
        return Typed(f"({sql})", columns[0].type)

    def _like(self, node: exp.Like, escape: str = "") -> Typed:
        value, pattern = self.compile(node.this), self.compile(node.expression)
        for side in (value, pattern):
            if not side.type.is_text and side.type != UNKNOWN:
                message = f"Left side of LIKE expression must evaluate to a varchar (actual: {side.type})"
                raise QueryFailed("TYPE_MISMATCH", message, *position(node))
        word = "NOT LIKE" if node.args.get("negate") else "LIKE"
        return Typed(f"({value.sql} {word} {pattern.sql}{escape})", BOOLEAN)

    def _escaped(self, node: exp.Escape) -> Typed:
        if not isinstance(node.this, exp.Like):
            raise NotSupported("ESCAPE here", *position(node))
        return self._like(node.this, f" ESCAPE {self.compile(node.expression).sql}")

    def _concatenation(self, node: exp.DPipe) -> Typed:
        return call("concat", [self.compile(node.left), self.compile(node.right)], position(node))

    # Conditions and conversions

    def _case(self, node: exp.Case) -> Typed:
        operand = self.compile(node.this) if node.this is not None else None
        conditions, results = [], []
        for branch in node.args["ifs"]:
            if operand is None:
                conditions.append(self.boolean(branch.this))
            else:
                compared = self._compare("=", operand, self.compile(branch.this), position(branch))
                conditions.append(compared.sql)
            results.append(self.compile(branch.args["true"]))
        default = node.args.get("default")
        otherwise = self.compile(default) if default is not None else None
        return self._cases(conditions, results, otherwise, position(node))

    def _cases(
        self, conditions: list[str], results: list[Typed], otherwise: Typed | None, place: Place
    ) -> Typed:
        common: Type | None = results[0].type
        for result in [*results[1:], *([otherwise] if otherwise else [])]:
            combined = common_type(common, result.type) if common else None
            if combined is None:
                message = (
                    f"All CASE results must be the same type or coercible to a common type: {result.type}"
                )
                raise QueryFailed("TYPE_MISMATCH", message, *place)
            common = combined
        assert common is not None
        branches = " ".join(
            f"WHEN {condition} THEN {coerce(result, common).sql}"
            for condition, result in zip(conditions, results, strict=True)
        )
        last = f" ELSE {coerce(otherwise, common).sql}" if otherwise else ""
        return Typed(f"CASE {branches}{last} END", common)

    def _if(self, node: exp.If) -> Typed:
        condition, result = self.boolean(node.this), self.compile(node.args["true"])
        default = node.args.get("false")
        otherwise = self.compile(default) if default is not None else None
        return self._cases([condition], [result], otherwise, position(node))

    def _cast(self, node: exp.Cast) -> Typed:
        target = to_type(node.args["to"], node)
        is_try = isinstance(node, exp.TryCast)
        if isinstance(node.this, exp.Literal) and node.this.is_string and not is_try:
            # ``CHAR 'abc'`` is a char(3) and ``CAST('abc' AS char)`` a char(1); both are parsed to this.
            if node.args["to"] == exp.DataType(this=exp.DType.CHAR) and len(node.this.this) > 1:
                raise NotSupported("CHAR without its length", *position(node))
            return _typed_literal(node.this.this, target, position(node))
        return cast(self.compile(node.this), target, is_try=is_try, place=position(node))

    def _at_time_zone(self, node: exp.AtTimeZone) -> Typed:
        value, zone = self.compile(node.this), node.args["zone"]
        if not (isinstance(zone, exp.Literal) and zone.this.upper() in ("UTC", "GMT", "Z", "+00:00")):
            raise NotSupported("AT TIME ZONE with another zone than UTC", *position(node))
        return coerce(value, TIMESTAMP_WITH_TIME_ZONE)

    def _interval(self, node: exp.Interval) -> Typed:
        unit, value = node.args.get("unit"), node.this
        if not isinstance(unit, exp.Var) or value is None:
            raise NotSupported("An interval from one unit to another", *position(node))
        name = unit.name.lower().removesuffix("s")
        amount = str(value.this) if isinstance(value, exp.Literal) else self.compile(value).sql
        if name not in _UNITS or (
            isinstance(value, exp.Literal) and not re.fullmatch(r"[+-]?\d+(\.\d+)?", amount)
        ):
            raise QueryFailed(
                "INVALID_LITERAL", f"{node.sql('trino')} is not a valid interval", *position(node)
            )
        type_ = INTERVAL_MONTH if name in ("year", "month", "quarter") else INTERVAL_DAY
        return Typed(f"INTERVAL ({amount}) {name}", type_)

    # Functions

    def _function(self, node: exp.Anonymous) -> Typed:
        name = str(node.name).lower()
        place = _own_position(node)
        if name in UNSUPPORTED:
            raise NotSupported(f"The function {name}", *place)
        if name in AGGREGATES or name in WINDOW_ONLY:
            return self._aggregate(node, "", "")
        if name in _SPECIAL:
            return _SPECIAL[name](self, node)
        return call(name, [self.compile(argument) for argument in node.expressions], place)

    def _named(self, name: str, node: exp.Expr, *arguments: exp.Expr | None) -> Typed:
        return call(name, [self.compile(a) for a in arguments if a is not None], position(node))

    def _extract(self, node: exp.Extract) -> Typed:
        return self._named(node.name.lower(), node, node.expression)

    def _substring(self, node: exp.Substring) -> Typed:
        start = node.args.get("start") or exp.Literal.number(1)
        return self._named("substr", node, node.this, start, node.args.get("length"))

    def _trim(self, node: exp.Trim) -> Typed:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.args.get("position") or "", "trim")
        value = self.compile(node.this)
        characters = f", {self.compile(node.expression).sql}" if node.expression else ""
        trimmed = f"{name}({value.sql}{characters})"
        if value.type.name == "char":
            return Typed(padded(trimmed, value.type), value.type)
        return Typed(trimmed, VARCHAR)

    def _position(self, node: exp.StrPosition) -> Typed:
        return self._named("strpos", node, node.this, node.args["substr"])

    def _current_date(self, _node: exp.CurrentDate) -> Typed:
        return Typed("current_date", DATE)

    def _current_timestamp(self, _node: exp.CurrentTimestamp) -> Typed:
        return Typed("date_trunc('millisecond', now())", TIMESTAMP_WITH_TIME_ZONE)

    def _local_timestamp(self, _node: exp.Localtimestamp) -> Typed:
        return Typed("date_trunc('millisecond', timezone('UTC', now()))", TIMESTAMP)

    def _array(self, node: exp.Array) -> Typed:
        values = [self.compile(value) for value in node.expressions]
        element: Type | None = UNKNOWN
        for value in values:
            element = common_type(element, value.type) if element is not None else None
        if element is None:
            raise QueryFailed("TYPE_MISMATCH", "All ARRAY elements must be the same type", *position(node))
        return Typed(f"[{', '.join(coerce(value, element).sql for value in values)}]", array(element))

    def _tuple(self, node: exp.Expr) -> Typed:
        values = [self.compile(value) for value in node.expressions]
        packed = ", ".join(f"field{index} := {value.sql}" for index, value in enumerate(values))
        return Typed(
            f"struct_pack({packed})", row([v.type for v in values], [f"field{i}" for i in range(len(values))])
        )

    def _subscript(self, node: exp.Bracket) -> Typed:
        value, index = self.compile(node.this), self.compile(node.expressions[0])
        if value.type.name == "array":
            return Typed(f"trino_element({value.sql}, {index.sql})", value.type.elements[0])
        if value.type.name == "map":
            key = coerce(index, value.type.elements[0])
            return Typed(f"trino_map_element({value.sql}, {key.sql})", value.type.elements[1])
        if value.type.name == "row" and isinstance(node.expressions[0], exp.Literal):
            at = int(node.expressions[0].name) - 1
            return Typed(f"({value.sql}).{quote(value.type.fields[at])}", value.type.elements[at])
        raise QueryFailed("TYPE_MISMATCH", f"Cannot use {value.type} as a subscript base", *position(node))

    def _try(self, node: exp.Anonymous) -> Typed:
        value = self.compile(node.expressions[0])
        return Typed(f"TRY({without_errors(value.sql)})", value.type)

    def _grouping(self, node: exp.Anonymous) -> Typed:
        plain = self._with(has_aggregates=False)
        return Typed(f"grouping({', '.join(plain.compile(e).sql for e in node.expressions)})", BIGINT)

    # Lambdas

    def _lambda(self, node: exp.Expr, types: list[Type]) -> tuple[Typed, list[str]]:
        if not isinstance(node, exp.Lambda) or len(node.expressions) != len(types):
            raise QueryFailed(
                "TYPE_MISMATCH", f"Expected a lambda of {len(types)} parameters", *position(node)
            )
        names = [self._queries.fresh("p") for _ in types]
        parameters = {
            parameter.name.lower(): Typed(name, type_)
            for parameter, name, type_ in zip(node.expressions, names, types, strict=True)
        }
        inner = Scope(parameters=parameters, parent=self._scope, is_lambda=True)
        body = self._with(scope=inner, grouped_by=self._grouped_by).compile(node.this)
        return body, names

    def _list(self, node: exp.Expr) -> Typed:
        value = self.compile(node)
        if value.type.name != "array":
            raise QueryFailed("TYPE_MISMATCH", f"Expected an array, not {value.type}", *position(node))
        return value

    def _transform(self, node: exp.Anonymous) -> Typed:
        values = self._list(node.expressions[0])
        body, names = self._lambda(node.expressions[1], [values.type.elements[0]])
        return Typed(f"list_transform({values.sql}, lambda {names[0]}: {body.sql})", array(body.type))

    def _filter_list(self, node: exp.Anonymous) -> Typed:
        values = self._list(node.expressions[0])
        body, names = self._lambda(node.expressions[1], [values.type.elements[0]])
        return Typed(f"list_filter({values.sql}, lambda {names[0]}: {body.sql})", values.type)

    def _matches(self, node: exp.Anonymous) -> Typed:
        values = self._list(node.expressions[0])
        body, names = self._lambda(node.expressions[1], [values.type.elements[0]])
        condition = f"NOT {body.sql}" if node.name.lower() == "none_match" else body.sql
        macro = "trino_any_match" if node.name.lower() == "any_match" else "trino_all_match"
        return Typed(f"{macro}(list_transform({values.sql}, lambda {names[0]}: {condition}))", BOOLEAN)

    def _reduce(self, node: exp.Anonymous) -> Typed:
        values, start = self._list(node.expressions[0]), self.compile(node.expressions[1])
        body, names = self._lambda(node.expressions[2], [start.type, values.type.elements[0]])
        state = common_type(start.type, body.type) or body.type
        if state != start.type:
            body, names = self._lambda(node.expressions[2], [state, values.type.elements[0]])
        last, last_names = self._lambda(node.expressions[3], [state])
        if duckdb_type(state) != duckdb_type(values.type.elements[0]):
            raise NotSupported("reduce whose state has another type than the elements", *position(node))
        reduced = (
            f"list_reduce({values.sql}, lambda {names[0]}, {names[1]}: {coerce(body, state).sql}, "
            f"{coerce(start, state).sql})"
        )
        return Typed(f"list_transform([{reduced}], lambda {last_names[0]}: {last.sql})[1]", last.type)

    def _map_values(self, node: exp.Anonymous) -> Typed:
        name, entries = node.name.lower(), self.compile(node.expressions[0])
        if entries.type.name != "map":
            raise QueryFailed("TYPE_MISMATCH", f"Expected a map, not {entries.type}", *position(node))
        key, value = entries.type.elements
        body, (k, v) = self._lambda(node.expressions[1], [key, value])
        entry = self._queries.fresh("p")
        inner = re.sub(rf"\b{k}\b", f"{entry}.key", re.sub(rf"\b{v}\b", f"{entry}.value", body.sql))
        listed = f"map_entries({entries.sql})"
        if name == "map_filter":
            return Typed(f"map_from_entries(list_filter({listed}, lambda {entry}: {inner}))", entries.type)
        of_keys = name == "transform_keys"
        pair = f"k := {inner}, v := {entry}.value" if of_keys else f"k := {entry}.key, v := {inner}"
        result = map_of(body.type, value) if of_keys else map_of(key, body.type)
        return Typed(
            f"map_from_entries(list_transform({listed}, lambda {entry}: struct_pack({pair})))", result
        )

    # Aggregates and windows

    def _aggregate(self, node: exp.Anonymous, inside: str, after: str, *, is_window: bool = False) -> Typed:
        name, place = node.name.lower(), _own_position(node)
        if not is_window and name in WINDOW_ONLY:
            raise QueryFailed("MISSING_OVER", f"Window function {name} requires an OVER clause", *place)
        if not is_window and not self._has_aggregates:
            message = f"{self._clause} cannot contain aggregations, window functions or grouping operations"
            raise QueryFailed("EXPRESSION_NOT_SCALAR", f"{message}: ['{name}']", *place)
        arguments, is_distinct = list(node.expressions), False
        inner = self._with(grouped_by=self._grouped_by, has_aggregates=True) if is_window else self._with()
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            arguments, is_distinct = list(arguments[0].expressions), True
        if arguments and isinstance(arguments[-1], exp.Order):
            order = arguments[-1]
            arguments[-1] = order.this
            inside = f" ORDER BY {', '.join(inner.ordered(item) for item in order.expressions)}{inside}"
        if len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            arguments = []
        values = [inner.compile(argument) for argument in arguments]
        build = AGGREGATES.get(name) or WINDOW_ONLY[name]
        if not values and name not in _WITHOUT_ARGUMENTS:
            raise QueryFailed("FUNCTION_NOT_FOUND", f"Unexpected parameters () for function {name}", *place)
        return build(AggregateCall(name, values, is_distinct, inside, after, place))

    def _filtered(self, node: exp.Filter) -> Typed:
        if not isinstance(node.this, exp.Anonymous):
            raise NotSupported("FILTER here", *position(node))
        condition = self._with().boolean(node.expression.this)
        return self._aggregate(node.this, "", f" FILTER (WHERE {condition})")

    def _list_aggregate(self, node: exp.GroupConcat, after: str = "") -> Typed:
        inner, ordered = self._with(), node.this
        inside = ""
        if isinstance(ordered, exp.Order):
            inside = f" ORDER BY {', '.join(inner.ordered(item) for item in ordered.expressions)}"
            ordered = ordered.this
        is_distinct = isinstance(ordered, exp.Distinct)
        value = inner.compile(ordered.expressions[0] if is_distinct else ordered)
        separator = inner.compile(node.args.get("separator") or exp.Literal.string(""))
        call_ = AggregateCall("listagg", [value, separator], is_distinct, inside, after, position(node))
        return AGGREGATES["listagg"](call_)

    def _window(self, node: exp.Window) -> Typed:
        function, inside, after = node.this, "", ""
        if isinstance(function, exp.IgnoreNulls | exp.RespectNulls):
            inside = " IGNORE NULLS" if isinstance(function, exp.IgnoreNulls) else ""
            function = function.this
        if isinstance(function, exp.Filter):
            after = f" FILTER (WHERE {self._with().boolean(function.expression.this)})"
            function = function.this
        if not isinstance(function, exp.Anonymous) or function.name.lower() not in AGGREGATES | WINDOW_ONLY:
            raise NotSupported("A window over something that is no window function", *position(node))
        return self._aggregate(function, inside, f"{after} OVER ({self.window(node)})", is_window=True)

    def window(self, node: exp.Expr) -> str:
        """What stands between the parentheses of ``OVER``."""
        inner = self._with(grouped_by=self._grouped_by, has_aggregates=True)
        parts = []
        if (alias := node.args.get("alias")) is not None:
            parts.append(quote(alias.name.lower()))
        if partition := node.args.get("partition_by"):
            parts.append(f"PARTITION BY {', '.join(inner.compile(p).sql for p in partition)}")
        if (order := node.args.get("order")) is not None:
            parts.append(f"ORDER BY {', '.join(inner.ordered(item) for item in order.expressions)}")
        if (spec := node.args.get("spec")) is not None:
            parts.append(self._frame(spec))
        return " ".join(parts)

    def _frame(self, spec: exp.Expr) -> str:
        def bound(side: str) -> str:
            value = spec.args.get(side)
            word = spec.args.get(f"{side}_side") or ""
            if isinstance(value, exp.Expr):
                value = self.compile(value).sql
            return f"{value or 'CURRENT ROW'} {word}".strip()

        kind = str(spec.args.get("kind") or "RANGE").upper()
        return f"{kind} BETWEEN {bound('start')} AND {bound('end')}"

    def ordered(self, item: exp.Expr) -> str:
        """One item of an ORDER BY; NULLs come last unless the query says otherwise."""
        if not isinstance(item, exp.Ordered):
            return f"{self.compile(item).sql} ASC NULLS LAST"
        return f"{self.compile(item.this).sql} {direction(item)}"


def direction(item: exp.Expr) -> str:
    """Direction and place of NULLs of an ORDER BY item, both explicit.

    Trino's default is NULLS LAST whatever the direction. The parser marks ``nulls_first`` only where it was
    written.
    """
    way = "DESC" if item.args.get("desc") else "ASC"
    return f"{way} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def to_type(node: exp.Expr, around: exp.Expr) -> Type:
    """A type as it stands in a query."""
    if not isinstance(node, exp.DataType):
        raise QueryFailed("TYPE_MISMATCH", f"Unknown type: {node.sql('trino')}", *position(around))
    kind = node.this
    numbers = tuple(
        int(p.name) for p in node.expressions if isinstance(p, exp.DataTypeParam) and p.name.isdigit()
    )
    if kind == exp.DType.ARRAY:
        return array(to_type(node.expressions[0], around))
    if kind == exp.DType.MAP:
        return map_of(*(to_type(e, around) for e in node.expressions))
    if kind == exp.DType.STRUCT:
        fields = [e.name if isinstance(e, exp.ColumnDef) else "" for e in node.expressions]
        kinds = [e.args["kind"] if isinstance(e, exp.ColumnDef) else e for e in node.expressions]
        named = [field or f"field{index}" for index, field in enumerate(fields)]
        return row([to_type(k, around) for k in kinds], named)
    if kind == exp.DType.DECIMAL:
        return decimal(*(*numbers, 38, 0)[:2]) if len(numbers) != 1 else decimal(numbers[0], 0)
    if kind in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        name = "timestamp" if kind == exp.DType.TIMESTAMP else TIMESTAMP_TZ
        return Type(name, numbers or (3,))
    if kind in (exp.DType.VARCHAR, exp.DType.TEXT):
        return varchar(numbers[0] if numbers else UNBOUNDED)
    if kind == exp.DType.CHAR:
        return Type("char", numbers or (1,))
    if kind not in _TYPES:
        raise QueryFailed("TYPE_MISMATCH", f"Unknown type: {node.sql('trino').lower()}", *position(around))
    return _TYPES[kind]


_TYPES = {
    exp.DType.BOOLEAN: Type("boolean"),
    exp.DType.TINYINT: Type("tinyint"),
    exp.DType.SMALLINT: Type("smallint"),
    exp.DType.INT: INTEGER,
    exp.DType.BIGINT: BIGINT,
    exp.DType.FLOAT: Type("real"),
    exp.DType.DOUBLE: DOUBLE,
    exp.DType.VARBINARY: VARBINARY,
    exp.DType.DATE: DATE,
    exp.DType.TIME: Type("time"),
    exp.DType.JSON: Type("json"),
}


def _number(text: str, place: Place) -> Typed:
    if "e" in text.lower():
        return Typed(f"CAST({text} AS DOUBLE)", DOUBLE)
    if not re.fullmatch(r"-?(\d+(\.\d*)?|\.\d+)", text):
        raise QueryFailed("INVALID_LITERAL", f"'{text}' is not a valid decimal literal", *place)
    if "." not in text:
        value = int(text)
        if -(2**31) <= value < 2**31:
            return Typed(f"CAST({text} AS INTEGER)", INTEGER)
        if -(2**63) <= value < 2**63:
            return Typed(f"CAST({text} AS BIGINT)", BIGINT)
        raise QueryFailed("INVALID_LITERAL", f"Invalid numeric literal: {text}", *place)
    whole, _, fraction = text.lstrip("-").partition(".")
    precision = max(1, len(whole.lstrip("0")) + len(fraction))
    type_ = decimal(precision, len(fraction))
    return Typed(f"CAST('{text}' AS {duckdb_type(type_)})", type_)


def _typed_literal(text: str, target: Type, place: Place) -> Typed:
    """``DATE '…'``, ``TIMESTAMP '…'``, ``DECIMAL '…'`` and the like, or a cast of a constant."""
    if target.name == "date" and not re.fullmatch(r"\s*[-+]?\d{4,}-\d{1,2}-\d{1,2}\s*", text):
        raise QueryFailed("INVALID_LITERAL", f"'{text}' is not a valid DATE literal", *place)
    if target.name == "timestamp" and re.search(r"\d{2}:\d{2}.*([+-]\d{2}|[A-Za-z]{3,})", text):
        target = Type(TIMESTAMP_TZ, target.numbers)
    if target.name == "timestamp":
        # The type of such a constant has as many digits as were written, so there are none to cut.
        return Typed(f"CAST({literal(text)} AS TIMESTAMP)", target)
    return cast(Typed(literal(text), varchar(len(text))), target, place=place)


def _temporal_arithmetic(operator: str, left: Typed, right: Typed, place: Place) -> Typed:
    """Dates and timestamps with intervals; a date stays a date."""
    times = ("date", "timestamp", TIMESTAMP_TZ)
    one, other = left.type, right.type
    if operator == "+" and one.name.startswith("interval") and other.name in times:
        return _temporal_arithmetic("+", right, left, place)
    if operator in "+-" and one.name in times and other.name.startswith("interval"):
        if one == DATE and other == INTERVAL_DAY and re.search(r"\) (hour|minute|second)", right.sql):
            message = "Cannot add hour, minutes or seconds to a date"
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *place)
        return Typed(f"CAST({left.sql} {operator} {right.sql} AS {duckdb_type(one)})", one)
    if operator == "-" and one.name in times and other.name in times:
        to = TIMESTAMP_WITH_TIME_ZONE if TIMESTAMP_TZ in (one.name, other.name) else TIMESTAMP
        return Typed(f"({coerce(left, to).sql} - {coerce(right, to).sql})", INTERVAL_DAY)
    if operator in "+-" and one == other and one.name.startswith("interval"):
        return Typed(f"({left.sql} {operator} {right.sql})", one)
    if operator == "*" and one.name.startswith("interval") and other.is_numeric:
        return Typed(f"({left.sql} * {right.sql})", one)
    if operator == "*" and other.name.startswith("interval") and one.is_numeric:
        return Typed(f"({right.sql} * {left.sql})", other)
    return arithmetic(operator, left, right, place)


def _own_position(node: exp.Expr) -> Place:
    if "line" in node.meta:
        return node.meta["line"], node.meta["col"] - (node.meta["end"] - node.meta["start"])
    return position(node)


def _contains_aggregate(node: exp.Expr) -> bool:
    """Whether a node calls an aggregate of its own query, or a window function."""
    return any(
        is_aggregate(part) or isinstance(part, exp.Window) or _is_grouping(part) for part in own_nodes(node)
    )


def _is_grouping(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == "grouping"


def is_aggregate(node: exp.Expr) -> bool:
    """Whether a node is the call of an aggregate, not as a window."""
    if isinstance(node, exp.GroupConcat):
        return True
    if not isinstance(node, exp.Anonymous) or node.name.lower() not in AGGREGATES:
        return False
    parent = node.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        parent = parent.parent
    return not (isinstance(parent, exp.Window) and parent.this.find(exp.Anonymous) is node)


def own_nodes(node: exp.Expr) -> list[exp.Expr]:
    """The nodes of an expression without those of the queries in it."""
    return list(node.walk(prune=lambda part: isinstance(part, exp.Query) and part is not node))


_ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_UNITS = {"second", "minute", "hour", "day", "week", "month", "quarter", "year"}
_WITHOUT_ARGUMENTS = {"count", "row_number", "rank", "dense_rank", "percent_rank", "cume_dist"}

_Method = Callable[[ExpressionCompiler, exp.Expr], Typed]
_C = ExpressionCompiler

_METHODS: dict[type[exp.Expr], Callable[..., Typed]] = {
    exp.Column: _C._column,
    exp.Identifier: _C._parameter,
    exp.Dot: _C._dot,
    exp.Literal: _C._literal,
    exp.Boolean: _C._boolean_literal,
    exp.Null: _C._null,
    exp.HexString: _C._hex_string,
    exp.Paren: _C._paren,
    **dict.fromkeys(_ARITHMETIC, _C._arithmetic),
    **dict.fromkeys(_COMPARISONS, _C._compared),
    exp.And: _C._connective,
    exp.Or: _C._connective,
    exp.Not: _C._not,
    exp.Neg: _C._negative,
    exp.Is: _C._is,
    exp.Between: _C._between,
    exp.In: _C._in,
    exp.Exists: _C._exists,
    exp.Subquery: _C._scalar_query,
    exp.Select: _C._scalar_query,
    exp.Like: _C._like,
    exp.Escape: _C._escaped,
    exp.DPipe: _C._concatenation,
    exp.Case: _C._case,
    exp.If: _C._if,
    exp.Cast: _C._cast,
    exp.TryCast: _C._cast,
    exp.AtTimeZone: _C._at_time_zone,
    exp.Interval: _C._interval,
    exp.Anonymous: _C._function,
    exp.Extract: _C._extract,
    exp.Substring: _C._substring,
    exp.Trim: _C._trim,
    exp.StrPosition: _C._position,
    exp.CurrentDate: _C._current_date,
    exp.CurrentTimestamp: _C._current_timestamp,
    exp.Localtimestamp: _C._local_timestamp,
    exp.Array: _C._array,
    exp.Tuple: _C._tuple,
    exp.Bracket: _C._subscript,
    exp.Filter: _C._filtered,
    exp.GroupConcat: _C._list_aggregate,
    exp.Window: _C._window,
}

_SPECIAL: dict[str, Callable[..., Typed]] = {
    "all_match": _C._matches,
    "any_match": _C._matches,
    "filter": _C._filter_list,
    "grouping": _C._grouping,
    "map_filter": _C._map_values,
    "none_match": _C._matches,
    "reduce": _C._reduce,
    "row": _C._tuple,
    "transform": _C._transform,
    "transform_keys": _C._map_values,
    "transform_values": _C._map_values,
    "try": _C._try,
}

__all__ = ["ExpressionCompiler", "Relation", "direction", "is_aggregate", "own_nodes", "to_type"]
