"""Trino expressions compiled to DuckDB's SQL, with their types."""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
# ruff: noqa: SLF001 - the tables at its end name the compiler's own methods
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from sqlglot import exp

from millpond.planes.athena.aggregates import AGGREGATES, ORDER_NEEDED, WINDOW_ONLY, AggregateCall
from millpond.planes.athena.casts import bound, cast, coerce, comparable
from millpond.planes.athena.exceptions import NotSupported, Place, QueryFailed
from millpond.planes.athena.functions import UNSUPPORTED, arithmetic, call
from millpond.planes.athena.grammar import position
from millpond.planes.athena.intervals import interval, temporal_arithmetic
from millpond.planes.athena.kernels import Kernel, nested, text, times
from millpond.planes.athena.literals import MOST_DIGITS, number, typed_literal
from millpond.planes.athena.relations import Column, Constant, Found, Relation, Scope, Typed
from millpond.planes.athena.signatures.collections import map_element
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
    can_coerce,
    common_type,
    decimal,
    duckdb_type,
    literal,
    map_of,
    quote,
    row,
    varchar,
)
from millpond.planes.athena.zones import known_zone


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
        self._plain: dict[int, tuple[exp.Expr, Typed]] = {}
        self._is_plain = False
        self.found: list[Found] = []

    @property
    def is_grouped(self) -> bool:
        """Whether the rows are grouped."""
        return self._grouped_by is not None

    def is_key(self, value: Typed) -> bool:
        """Whether the rows are grouped by a value."""
        return value.sql in (self._grouped_by or ())

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
        if self._is_plain and (known := self._plain.get(id(node))) is not None:
            return known[1]
        method = _METHODS.get(type(node))
        if method is None:
            raise NotSupported(f"{type(node).__name__} ({node.sql('trino')})", *position(node))
        value = method(self, node)
        if self._is_plain:
            # The node is kept too, so that nothing else gets its identity.
            self._plain[id(node)] = node, value
        return value

    def boolean(self, node: exp.Expr) -> str:
        """Compile a condition."""
        value = self.compile(node)
        if value.type not in (BOOLEAN, UNKNOWN):
            message = f"{self._clause or 'Condition'} must evaluate to a boolean: actual type {value.type}"
            raise QueryFailed("TYPE_MISMATCH", message, *position(node))
        return value.sql

    def _ungrouped(self, node: exp.Expr) -> Typed | None:
        """What a node would be before the rows are grouped; each is looked at once."""
        if _contains_aggregate(node):
            return None
        other = self._with(grouped_by=None)
        other._plain, other._is_plain = self._plain, True
        return other.compile(node)

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
        if parts[-1] in _HIDDEN_ELSEWHERE:
            raise NotSupported(f"The column {name}", *position(node))
        raise QueryFailed(
            "COLUMN_NOT_FOUND",
            f"Column '{name}' cannot be resolved "
            "or requester is not authorized to access requested resources",
            *position(node),
        )

    def _field(self, value: Typed, name: str, node: exp.Expr) -> Typed:
        names = [field.lower() for field in value.type.fields]
        if value.type.name == "row" and name not in names:
            raise QueryFailed("COLUMN_NOT_FOUND", f"Column '{name}' cannot be resolved", *position(node))
        if value.type.name != "row":
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
            value = str(node.this)
            return Typed(literal(value), varchar(len(value)), Constant(value), is_atomic=True)
        return number(str(node.this), position(node))

    def _boolean_literal(self, node: exp.Boolean) -> Typed:
        value = bool(node.this)
        return Typed("true" if value else "false", BOOLEAN, Constant(value), is_atomic=True)

    def _null(self, _node: exp.Null) -> Typed:
        return Typed("NULL", UNKNOWN, Constant(None), is_atomic=True)

    def _hex_string(self, node: exp.HexString) -> Typed:
        digits = re.sub(r"\s", "", str(node.this))
        if node.args.get("is_integer"):
            return number(str(int(digits, 16)), position(node))
        if len(digits) % 2 or not re.fullmatch(r"[0-9a-fA-F]*", digits):
            message = "Binary literal must contain an even number of digits"
            if not re.fullmatch(r"[0-9a-fA-F]*", digits):
                message = "Binary literal can only contain hexadecimal digits"
            raise QueryFailed("SYNTAX_ERROR", message, *position(node))
        return Typed(f"unhex('{digits}')", VARBINARY, is_atomic=True)

    def _paren(self, node: exp.Paren) -> Typed:
        return self.compile(node.this)

    # Operators

    def _arithmetic(self, node: exp.Binary) -> Typed:
        operator = _ARITHMETIC[type(node)]
        left, right = self.compile(node.left), self.compile(node.right)
        if left.type.is_numeric and right.type.is_numeric:
            return arithmetic(operator, left, right, position(node))
        return temporal_arithmetic(operator, left, right, position(node))

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
        return Typed(comparison(operator, left, right, common, place), BOOLEAN)

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
        if common.elements or common.name in ("double", "real"):
            raise NotSupported(f"ALL or ANY of values of type {common}", *position(node))
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
        if isinstance(node.this, exp.Literal) and node.this.is_number and node.this.name == str(2**63):
            # The least bigint: its digits alone are none.
            return Typed(f"CAST(-{2**63} AS BIGINT)", BIGINT, Constant(-(2**63)), is_atomic=True)
        value = self.compile(node.this)
        if not value.type.is_numeric and not value.type.name.startswith("interval"):
            raise QueryFailed("TYPE_MISMATCH", f"Cannot negate {value.type}", *position(node))
        if value.number is not None and value.number >= 0:
            return Typed(f"(-{value.sql})", value.type, Constant(-value.number), is_atomic=True)
        return Typed(f"(- {value.sql})", value.type, is_atomic=value.is_atomic)

    def _is(self, node: exp.Is) -> Typed:
        value = self.compile(node.this)
        if not isinstance(node.expression, exp.Null):
            raise NotSupported(f"IS {node.expression.sql('trino')}", *position(node))
        word = "IS NOT NULL" if node.args.get("negate") else "IS NULL"
        return Typed(f"({value.sql} {word})", BOOLEAN)

    def _between(self, node: exp.Between) -> Typed:
        value, place = self.compile(node.this), position(node)
        low, high = self.compile(node.args["low"]), self.compile(node.args["high"])
        common = common_type(common_type(value.type, low.type) or UNKNOWN, high.type)
        if common is None or common_type(value.type, low.type) is None:
            types = f"{value.type} BETWEEN {low.type} AND {high.type}"
            raise QueryFailed("TYPE_MISMATCH", f"Cannot check if {types}", *place)
        value = coerce(value, common)

        def build(name: str) -> str:
            same = Typed(name, value.type, value.constant, is_atomic=True)
            above, below = self._compare(">=", same, low, place), self._compare("<=", same, high, place)
            return f"({above.sql} AND {below.sql})"

        return Typed(bound(value.sql, build, is_atomic=value.is_atomic), BOOLEAN)

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
        if _is_unordered(common) and not all(_is_number(option) for option in options):
            # NaN is equal to nothing, and a NULL within a value leaves it open.

            def build(name: str) -> str:
                same = Typed(name, common, value.constant, is_atomic=True)
                tests = [
                    comparison("=", same, coerce(option, common), common, position(node))
                    for option in options
                ]
                return f"({' OR '.join(tests)})"

            same = coerce(value, common)
            return Typed(bound(same.sql, build, is_atomic=same.is_atomic), BOOLEAN)
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
        if any(t is not None and t.elements for t in commons):
            raise NotSupported("IN of nested values and a query", *position(node))
        pairs = [
            comparable([_unequal_nan(v, t), _unequal_nan(Typed(quote(c.sql_name), c.type), t)], t)
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

    def _like(self, node: exp.Like, escape: Typed | None = None) -> Typed:
        value, pattern = self.compile(node.this), self.compile(node.expression)
        for side, name in ((value, "Left side of LIKE expression"), (pattern, "Pattern for LIKE expression")):
            if not side.type.is_text and side.type != UNKNOWN:
                message = f"{name} must evaluate to a varchar (actual: {side.type})"
                raise QueryFailed("TYPE_MISMATCH", message, *position(node))
        negation = "NOT " if node.args.get("negate") else ""
        if escape is None or escape.is_null:
            if escape is not None:
                return Typed("CAST(NULL AS BOOLEAN)", BOOLEAN)
            # Without an escape DuckDB's LIKE has none either.
            return Typed(f"({value.sql} {negation}LIKE {pattern.sql})", BOOLEAN)
        sqls = [f"CAST({side.sql} AS VARCHAR)" for side in (value, pattern, escape)]
        return Typed(f"({negation}{Kernel(text.like, (VARCHAR,) * 3, BOOLEAN).sql(sqls)})", BOOLEAN)

    def _escaped(self, node: exp.Escape) -> Typed:
        if not isinstance(node.this, exp.Like):
            raise NotSupported("ESCAPE here", *position(node))
        return self._like(node.this, self.compile(node.expression))

    def _concatenation(self, node: exp.DPipe) -> Typed:
        return call("concat", [self.compile(node.left), self.compile(node.right)], position(node))

    # Conditions and conversions

    def _case(self, node: exp.Case) -> Typed:
        results = [self.compile(branch.args["true"]) for branch in node.args["ifs"]]
        default = node.args.get("default")
        otherwise = self.compile(default) if default is not None else None
        if node.this is None:
            conditions = [self.boolean(branch.this) for branch in node.args["ifs"]]
            return self._cases(conditions, results, otherwise, position(node))
        operand = self.compile(node.this)
        options = [self.compile(branch.this) for branch in node.args["ifs"]]
        for option in options:
            if common_type(operand.type, option.type) is None:
                types = f"{operand.type} vs {option.type}"
                message = f"CASE operand type does not match WHEN clause operand type: {types}"
                raise QueryFailed("TYPE_MISMATCH", message, *position(node))

        def chosen(name: str) -> Typed:
            same = Typed(name, operand.type, operand.constant, is_atomic=True)
            tests = [self._compare("=", same, option, position(node)).sql for option in options]
            return self._cases(tests, results, otherwise, position(node))

        type_ = chosen("v").type
        return Typed(bound(operand.sql, lambda name: chosen(name).sql, is_atomic=operand.is_atomic), type_)

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
        if node.meta.get("is_literal"):
            return typed_literal(node.this.this, target, node.args["to"], position(node))
        value = self.compile(node.this)
        if target.name == TIMESTAMP_TZ and value.text is not None:
            found = times.parse_timestamp(value.text)
            zone = times.zone(found[2]) if found is not None and found[2] else None
            if zone is not None:
                target = Type(TIMESTAMP_TZ, target.numbers, zone=zone.name)
        elif value.type.name == target.name == TIMESTAMP_TZ:
            target = Type(TIMESTAMP_TZ, target.numbers, zone=value.type.zone)
        return cast(value, target, is_try=isinstance(node, exp.TryCast), place=position(node))

    def _at_time_zone(self, node: exp.AtTimeZone) -> Typed:
        value, zone = self.compile(node.this), node.args["zone"]
        place = position(node)
        if isinstance(zone, exp.Literal) and zone.is_string:
            name = known_zone(str(zone.this), place)
        elif isinstance(zone, exp.Interval):
            moved = self.compile(zone)
            if moved.number is None or moved.number % 60_000:
                raise NotSupported("AT TIME ZONE with such an interval", *place)
            name = known_zone(times.offset_name(moved.number // 60_000), place)
        else:
            raise QueryFailed("SYNTAX_ERROR", f"mismatched input '{zone.sql('trino')}'", *position(zone))
        if value.type.name == "time":
            raise NotSupported("A time with time zone", *place)
        if value.type.name not in ("timestamp", TIMESTAMP_TZ) and value.type != UNKNOWN:
            message = (
                f"Type of value must be a time or timestamp with or without time zone (actual {value.type})"
            )
            raise QueryFailed("TYPE_MISMATCH", message, *place)
        instant = coerce(value, Type(TIMESTAMP_TZ, value.type.numbers or (3,), zone="UTC"))
        return Typed(instant.sql, Type(TIMESTAMP_TZ, instant.type.numbers, zone=name))

    def _interval(self, node: exp.Interval) -> Typed:
        return interval(node, position(node))

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

    def _normalize(self, node: exp.Anonymous) -> Typed:
        """``normalize(text)`` and ``normalize(text, NFD)``, whose form is a word of the grammar."""
        place, (value, *rest) = position(node), node.expressions or [exp.Null()]
        form = rest[0].name.upper() if rest else "NFC"
        if len(rest) > 1 or form not in _FORMS or (rest and not isinstance(rest[0], exp.Column)):
            raise QueryFailed(
                "SYNTAX_ERROR", f"mismatched input '{rest[0].sql('trino')}'", *position(rest[0])
            )
        return call("normalize", [self.compile(value), Typed(literal(form), VARCHAR, Constant(form))], place)

    def _extract(self, node: exp.Extract) -> Typed:
        name = node.name.lower()
        if name not in _FIELDS:
            raise QueryFailed("SYNTAX_ERROR", f"Invalid EXTRACT field: {node.name}", *position(node))
        value = self.compile(node.expression)
        if value.type.name == "date" and name in (
            "hour",
            "minute",
            "second",
            "timezone_hour",
            "timezone_minute",
        ):
            message = f"Cannot extract {name.upper()} from {value.type}"
            raise QueryFailed("TYPE_MISMATCH", message, *position(node.expression))
        return call(_FIELDS[name], [value], position(node))

    def _substring(self, node: exp.Substring) -> Typed:
        return self._named("substr", node, node.this, node.args.get("start"), node.args.get("length"))

    def _trim(self, node: exp.Trim) -> Typed:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.args.get("position") or "", "trim")
        return self._named(name, node, node.this, node.expression)

    def _position(self, node: exp.StrPosition) -> Typed:
        return self._named("strpos", node, node.this, node.args["substr"])

    def _current_date(self, _node: exp.CurrentDate) -> Typed:
        return Typed("current_date", DATE)

    def _current_timestamp(self, _node: exp.CurrentTimestamp) -> Typed:
        return Typed("date_trunc('millisecond', now())", TIMESTAMP_WITH_TIME_ZONE)

    def _local_timestamp(self, _node: exp.Localtimestamp) -> Typed:
        return Typed("date_trunc('millisecond', timezone('UTC', now()))", TIMESTAMP)

    def _precise_now(self, node: exp.Anonymous) -> Typed:
        """``current_timestamp(p)`` and ``localtimestamp(p)``, with so many digits of a second."""
        place, digits = _own_position(node), [self.compile(one).number for one in node.expressions]
        if len(digits) != 1 or digits[0] is None:
            raise QueryFailed("SYNTAX_ERROR", f"mismatched input '{node.name}'", *place)
        is_local = node.name.lower() == "localtimestamp"
        kind = exp.DType.TIMESTAMP if is_local else exp.DType.TIMESTAMPTZ
        target = _moment_type(kind, (digits[0],), place)
        sql = "timezone('UTC', now())" if is_local else "now()"
        return cast(Typed(sql, _moment_type(kind, (MOST_DIGITS,), place)), target)

    def _array(self, node: exp.Array) -> Typed:
        values = [self.compile(value) for value in node.expressions]
        element: Type | None = UNKNOWN
        for value in values:
            element = common_type(element, value.type) if element is not None else None
        if element is None:
            raise QueryFailed("TYPE_MISMATCH", "All ARRAY elements must be the same type", *position(node))
        listed = ", ".join(coerce(value, element).sql for value in values)
        result = array(element)
        # DuckDB does not know what an empty list holds.
        return Typed(f"[{listed}]" if values else f"CAST([] AS {duckdb_type(result)})", result)

    def _tuple(self, node: exp.Expr) -> Typed:
        values = [self.compile(value) for value in node.expressions]
        packed = ", ".join(f"field{index} := {value.sql}" for index, value in enumerate(values))
        return Typed(f"struct_pack({packed})", row([v.type for v in values]))

    def _subscript(self, node: exp.Bracket) -> Typed:
        value, index = self.compile(node.this), self.compile(node.expressions[0])
        place = position(node)
        if value.type.name == "array":
            if not index.type.is_integral and index.type != UNKNOWN:
                raise QueryFailed(
                    "TYPE_MISMATCH", f"Cannot use {index.type} for subscript of {value.type}", *place
                )
            at = coerce(index, BIGINT)
            result = value.type.elements[0]
            return Typed(
                Kernel(nested.subscript, (value.type, BIGINT), result).sql([value.sql, at.sql]), result
            )
        if value.type.name == "map":
            if common_type(value.type.elements[0], index.type) != value.type.elements[0] and not (
                value.type.elements[0].is_text and index.type.is_text
            ):
                raise QueryFailed(
                    "TYPE_MISMATCH", f"Cannot use {index.type} for subscript of {value.type}", *place
                )
            return Typed(map_element(value, index), value.type.elements[1])
        if value.type.name == "row":
            return self._row_element(value, index, position(node.expressions[0]))
        raise QueryFailed("TYPE_MISMATCH", f"Cannot use {value.type} as a subscript base", *position(node))

    def _row_element(self, value: Typed, index: Typed, place: Place) -> Typed:
        if index.number is None:
            message = "Subscript expression on ROW requires a constant index"
            raise QueryFailed("EXPRESSION_NOT_CONSTANT", message, *place)
        count = len(value.type.elements)
        if index.number <= 0:
            message = f"Invalid subscript index: {index.number}. ROW indices start at 1"
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *place)
        if index.number > count:
            message = f"Subscript index out of bounds: {index.number}, max value is {count}"
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *place)
        at = index.number - 1
        return Typed(f"({value.sql}).{quote(value.type.field_names[at])}", value.type.elements[at])

    def _try(self, node: exp.Anonymous) -> Typed:
        if len(node.expressions) != 1:
            raise QueryFailed(
                "SYNTAX_ERROR", "The 'try' function must have exactly one argument", *position(node)
            )
        value = self.compile(node.expressions[0])
        if _contains_aggregate(node.expressions[0]):
            raise NotSupported("TRY of an aggregate", *position(node))
        return Typed(f"TRY({value.sql})", value.type)

    def _grouping(self, node: exp.Anonymous) -> Typed:
        plain = self._with(has_aggregates=False)
        return Typed(f"grouping({', '.join(plain.compile(e).sql for e in node.expressions)})", BIGINT)

    # Lambdas

    def _lambda(self, node: exp.Expr, types: list[Type]) -> tuple[Typed, list[str]]:
        if not isinstance(node, exp.Lambda) or len(node.expressions) != len(types):
            if not isinstance(node, exp.Lambda):
                self.compile(node)
                raise QueryFailed("FUNCTION_NOT_FOUND", "Expected a function as an argument", *position(node))
            raise _wrong_arity(node, len(types))
        names = self._parameter_names(len(types))
        return self._lambda_body(node, types, names), names

    def _parameter_names(self, count: int) -> list[str]:
        """Names of parameters, by how deep the lambda is.

        So the same expression has the same SQL wherever it stands.
        """
        depth, scope = 0, self._scope
        while scope.is_lambda and scope.parent is not None:
            depth, scope = depth + 1, scope.parent
        return [f"p{depth}_{index}" for index in range(count)]

    def _lambda_body(self, node: exp.Expr, types: list[Type], sqls: list[str]) -> Typed:
        """The body with each parameter bound to SQL that stands for it."""
        given = [parameter.name.lower() for parameter in node.expressions]
        if len(set(given)) < len(given):
            raise QueryFailed("AMBIGUOUS_NAME", f"Column '{given[-1]}' is ambiguous", *position(node))
        parameters = {
            parameter.name.lower(): Typed(sql, type_, is_atomic=True)
            for parameter, sql, type_ in zip(node.expressions, sqls, types, strict=True)
        }
        if (query := node.this.find(exp.Query)) is not None:
            raise QueryFailed(
                "NOT_SUPPORTED", "Lambda expression cannot contain subqueries", *position(query)
            )
        inner = Scope(parameters=parameters, parent=self._scope, is_lambda=True)
        return self._with(scope=inner, grouped_by=self._grouped_by).compile(node.this)

    def _condition(self, node: exp.Anonymous, body: Typed, place: Place) -> str:
        if body.type != BOOLEAN:
            name = node.name.lower()
            message = f"Unexpected parameters for function {name}: the lambda gives {body.type}, not boolean"
            raise QueryFailed("FUNCTION_NOT_FOUND", message, *place)
        return body.sql

    def _arguments(self, node: exp.Anonymous, count: int) -> list[exp.Expr]:
        if len(node.expressions) != count:
            message = f"Unexpected parameters for function {node.name.lower()}: {count} are expected"
            raise QueryFailed("FUNCTION_NOT_FOUND", message, *_own_position(node))
        return list(node.expressions)

    def _list(self, node: exp.Expr, name: str) -> Typed:
        value = self.compile(node)
        if value.type == UNKNOWN:
            value = coerce(value, array(UNKNOWN))
        if value.type.name != "array":
            message = f"Unexpected parameters ({value.type}, <function>) for function {name}"
            raise QueryFailed("FUNCTION_NOT_FOUND", message, *position(node))
        return value

    def _transform(self, node: exp.Anonymous) -> Typed:
        listed, function = self._arguments(node, 2)
        values = self._list(listed, "transform")
        body, names = self._lambda(function, [values.type.elements[0]])
        return Typed(f"list_transform({values.sql}, lambda {names[0]}: {body.sql})", array(body.type))

    def _filter_list(self, node: exp.Anonymous) -> Typed:
        listed, function = self._arguments(node, 2)
        values = self._list(listed, "filter")
        body, names = self._lambda(function, [values.type.elements[0]])
        condition = self._condition(node, body, _own_position(node))
        return Typed(f"list_filter({values.sql}, lambda {names[0]}: {condition})", values.type)

    def _matches(self, node: exp.Anonymous) -> Typed:
        listed, function = self._arguments(node, 2)
        name = node.name.lower()
        values = self._list(listed, name)
        body, names = self._lambda(function, [values.type.elements[0]])
        condition = self._condition(node, body, _own_position(node))
        found = f"list_transform({values.sql}, lambda {names[0]}: {condition})"
        kernel = {"any_match": nested.any_of, "all_match": nested.all_of, "none_match": nested.none_of}[name]
        return Typed(Kernel(kernel, (array(BOOLEAN),), BOOLEAN).sql([found]), BOOLEAN)

    def _reduce(self, node: exp.Anonymous) -> Typed:
        """``reduce`` over pairs of a state and an element, the first of which holds the start."""
        listed, begin, step, end = self._arguments(node, 4)
        values, start = self._list(listed, "reduce"), self.compile(begin)
        element = values.type.elements[0]
        depth = self._parameter_names(2)
        one, other = (f"{name}r" for name in depth)
        sides = [f"{one}.s", f"{other}.e"]
        if not isinstance(step, exp.Lambda) or len(step.expressions) != 2:
            raise _wrong_arity(step, 2)
        body = self._lambda_body(step, [start.type, element], sides)
        state = common_type(start.type, body.type)
        if state is not None and state != start.type:
            body = self._lambda_body(step, [state, element], sides)
        is_kept = state is not None and (body.type == state or state.name != "decimal")
        if state is None or not is_kept or not can_coerce(body.type, state):
            types = f"{values.type}, {start.type}, <function>, <function>"
            message = f"Unexpected parameters ({types}) for function reduce"
            raise QueryFailed("FUNCTION_NOT_FOUND", message, *_own_position(node))
        last, names = self._lambda(end, [state])
        pair = f"STRUCT(s {duckdb_type(state)}, e {duckdb_type(element)})"
        first = f"CAST(struct_pack(s := {coerce(start, state).sql}, e := NULL) AS {pair})"
        packed = f"CAST(struct_pack(s := {coerce(body, state).sql}, e := NULL) AS {pair})"

        def build(name: str) -> str:
            others = (
                f"list_transform({name}, lambda {one}: CAST(struct_pack(s := NULL, e := {one}) AS {pair}))"
            )
            folded = f"(list_reduce(list_prepend({first}, {others}), lambda {one}, {other}: {packed})).s"
            result = f"list_transform([{folded}], lambda {names[0]}: {last.sql})[1]"
            return f"CASE WHEN {name} IS NULL THEN NULL ELSE {result} END"

        return Typed(bound(values.sql, build, is_atomic=values.is_atomic, name=f"{one}l"), last.type)

    def _zip_with(self, node: exp.Anonymous) -> Typed:
        left, right, function = self._arguments(node, 3)
        one, other = self._list(left, "zip_with"), self._list(right, "zip_with")
        name = f"{self._parameter_names(1)[0]}z"
        if not isinstance(function, exp.Lambda) or len(function.expressions) != 2:
            raise _wrong_arity(function, 2)
        types = [one.type.elements[0], other.type.elements[0]]
        body = self._lambda_body(function, types, [f"{name}[1]", f"{name}[2]"])
        sides = row([one.type, other.type], ["a", "b"])
        pairs = f"list_zip({name}s.a, {name}s.b)"
        found = f"list_transform({pairs}, lambda {name}: {body.sql})"
        packed = f"CAST(struct_pack(a := {one.sql}, b := {other.sql}) AS {duckdb_type(sides)})"
        whole = f"CASE WHEN {name}s.a IS NULL OR {name}s.b IS NULL THEN NULL ELSE {found} END"
        return Typed(f"list_transform([{packed}], lambda {name}s: {whole})[1]", array(body.type))

    def _sorted(self, node: exp.Anonymous) -> Typed:
        if len(node.expressions) == 2 and isinstance(node.expressions[1], exp.Lambda):
            raise NotSupported("array_sort by a function", *_own_position(node))
        return call("array_sort", [self.compile(a) for a in node.expressions], _own_position(node))

    def _map_values(self, node: exp.Anonymous) -> Typed:
        of, function = self._arguments(node, 2)
        name, entries = node.name.lower(), self.compile(of)
        if entries.type.name != "map":
            message = f"Unexpected parameters ({entries.type}, <function>) for function {name}"
            raise QueryFailed("FUNCTION_NOT_FOUND", message, *_own_position(node))
        key, value = entries.type.elements
        if not isinstance(function, exp.Lambda) or len(function.expressions) != 2:
            raise _wrong_arity(function, 2)
        entry = f"{self._parameter_names(1)[0]}m"
        body = self._lambda_body(function, [key, value], [f"{entry}.key", f"{entry}.value"])
        listed = f"map_entries({entries.sql})"
        if name == "map_filter":
            condition = self._condition(node, body, _own_position(node))
            kept = f"map_from_entries(list_filter({listed}, lambda {entry}: {condition}))"
            return Typed(f"CAST({kept} AS {duckdb_type(entries.type)})", entries.type)
        of_keys = name == "transform_keys"
        pair = f"k := {body.sql}, v := {entry}.value" if of_keys else f"k := {entry}.key, v := {body.sql}"
        result = map_of(body.type, value) if of_keys else map_of(key, body.type)
        pairs = f"list_transform({listed}, lambda {entry}: struct_pack({pair}))"
        if of_keys:
            given = array(row(result.elements, ["k", "v"]))
            return Typed(Kernel(nested.from_entries, (given,), result).sql([pairs]), result)
        return Typed(f"CAST(map_from_entries({pairs}) AS {duckdb_type(result)})", result)

    # Aggregates and windows

    def _aggregate(self, node: exp.Anonymous, inside: str, after: str, *, is_window: bool = False) -> Typed:
        name, place = node.name.lower(), _own_position(node)
        if not is_window:
            self._check_place(name, place)
        arguments, is_distinct = list(node.expressions), False
        inner = self._with(grouped_by=self._grouped_by, has_aggregates=True) if is_window else self._with()
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            arguments, is_distinct = list(arguments[0].expressions), True
            if isinstance(arguments[0], exp.Star):
                raise QueryFailed("SYNTAX_ERROR", "mismatched input '*'. Expecting: <expression>", *place)
        if arguments and isinstance(arguments[-1], exp.Order):
            order = arguments[-1]
            arguments[-1] = order.this
            inside = f" ORDER BY {', '.join(inner.ordered(item) for item in order.expressions)}{inside}"
        if len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            arguments = []
        if not is_window:
            _check_nesting(name, arguments, place)
        values = [inner.compile(argument) for argument in arguments]
        build = AGGREGATES.get(name) or WINDOW_ONLY[name]
        if not values and name not in _WITHOUT_ARGUMENTS:
            raise QueryFailed("FUNCTION_NOT_FOUND", f"Unexpected parameters () for function {name}", *place)
        return build(AggregateCall(name, values, is_distinct, inside, after, place))

    def _check_place(self, name: str, place: Place) -> None:
        if name in WINDOW_ONLY:
            raise QueryFailed("MISSING_OVER", f"Window function {name} requires an OVER clause", *place)
        if not self._has_aggregates:
            message = f"{self._clause} cannot contain aggregations, window functions or grouping operations"
            raise QueryFailed("EXPRESSION_NOT_SCALAR", f"{message}: ['{name}']", *place)

    def _filtered(self, node: exp.Filter) -> Typed:
        if not isinstance(node.this, exp.Anonymous):
            raise NotSupported("FILTER here", *position(node))
        condition = self._with().boolean(node.expression.this)
        return self._aggregate(node.this, "", f" FILTER (WHERE {condition})")

    def _list_aggregate(self, node: exp.GroupConcat, after: str = "") -> Typed:
        inner, ordered = self._with(), node.this
        if not isinstance(ordered, exp.Order):
            raise QueryFailed("SYNTAX_ERROR", "mismatched input. Expecting: 'WITHIN'", *position(node))
        inside = f" ORDER BY {', '.join(inner.ordered(item) for item in ordered.expressions)}"
        ordered = ordered.this
        is_distinct = isinstance(ordered, exp.Distinct)
        value = inner.compile(ordered.expressions[0] if is_distinct else ordered)
        separator = inner.compile(node.args.get("separator") or exp.Literal.string(""))
        call_ = AggregateCall("listagg", [value, separator], is_distinct, inside, after, position(node))
        return AGGREGATES["listagg"](call_)

    def _window(self, node: exp.Window) -> Typed:
        function, inside, after = node.this, "", ""
        if not self._has_aggregates:
            message = f"{self._clause} cannot contain aggregations, window functions or grouping operations"
            raise QueryFailed("EXPRESSION_NOT_SCALAR", message, *position(node))
        if isinstance(function, exp.IgnoreNulls | exp.RespectNulls):
            inside = " IGNORE NULLS" if isinstance(function, exp.IgnoreNulls) else ""
            function = function.this
            if isinstance(function, exp.Anonymous) and function.name.lower() not in WINDOW_ONLY:
                message = f"Cannot specify null treatment clause for {function.name} function"
                raise QueryFailed("NULL_TREATMENT_NOT_ALLOWED", message, *position(node))
        if isinstance(function, exp.Filter):
            raise QueryFailed(
                "NOT_SUPPORTED", "FILTER is not yet supported for window functions", *position(node)
            )
        if isinstance(function, exp.GroupConcat):
            raise NotSupported("listagg as a window function", *position(node))
        if isinstance(function, exp.Anonymous) and any(
            isinstance(e, exp.Distinct) for e in function.expressions
        ):
            message = f"DISTINCT in window function parameters not yet supported: {node.sql('trino')}"
            raise QueryFailed("NOT_SUPPORTED", message, *position(node))
        is_unordered = node.args.get("order") is None and node.args.get("alias") is None
        name = function.name.lower() if isinstance(function, exp.Anonymous) else ""
        if is_unordered and name in ORDER_NEEDED:
            message = f"{name} function requires an ORDER BY window clause"
            raise QueryFailed("MISSING_ORDER_BY", message, *position(node))
        if not isinstance(function, exp.Anonymous) or function.name.lower() not in AGGREGATES | WINDOW_ONLY:
            raise NotSupported("A window over something that is no window function", *position(node))
        alias = node.args.get("alias")
        has_more = any(node.args.get(k) for k in ("partition_by", "order", "spec"))
        over = f"({self.window(node)})"
        if alias is not None and not has_more:
            over = quote(alias.name.lower())
        return self._aggregate(function, inside, f"{after} OVER {over}", is_window=True)

    def window(self, node: exp.Expr) -> str:
        """What stands between the parentheses of ``OVER``."""
        nested_window = next(
            (w for w in node.find_all(exp.Window) if w is not node and w.parent is not None), None
        )
        if (
            nested_window is not None
            and not isinstance(node.this, exp.Window)
            and _is_within(nested_window, node)
        ):
            message = "Cannot nest window functions or row pattern measures inside window specification"
            raise QueryFailed("NESTED_WINDOW", message, *position(nested_window))
        inner = self._with(grouped_by=self._grouped_by, has_aggregates=True)
        parts = []
        if (alias := node.args.get("alias")) is not None:
            parts.append(quote(alias.name.lower()))
        if partition := node.args.get("partition_by"):
            parts.append(f"PARTITION BY {', '.join(inner.compile(p).sql for p in partition)}")
        if (order := node.args.get("order")) is not None:
            parts.append(
                f"ORDER BY {', '.join(inner.ordered(item, in_window=True) for item in order.expressions)}"
            )
        if (spec := node.args.get("spec")) is not None:
            parts.append(inner._frame(spec, order.expressions if order is not None else []))
        return " ".join(parts)

    def _frame(self, spec: exp.Expr, ordered: list[exp.Expr]) -> str:
        kind = str(spec.args.get("kind") or "RANGE").upper()
        sides = [self._bound(spec, side, kind, ordered) for side in ("start", "end")]
        words = [str(spec.args.get(f"{side}_side") or "") for side in ("start", "end")]
        if words == ["FOLLOWING", "PRECEDING"]:
            message = "Window frame starting from FOLLOWING cannot end with PRECEDING"
            raise QueryFailed("INVALID_WINDOW_FRAME", message, *position(spec))
        if spec.args.get("end") == "UNBOUNDED" and words[1] == "PRECEDING":
            raise QueryFailed(
                "INVALID_WINDOW_FRAME", "Window frame end cannot be UNBOUNDED PRECEDING", *position(spec)
            )
        if spec.args.get("start") == "UNBOUNDED" and words[0] == "FOLLOWING":
            raise QueryFailed(
                "INVALID_WINDOW_FRAME", "Window frame start cannot be UNBOUNDED FOLLOWING", *position(spec)
            )
        if words[0] == "FOLLOWING" and spec.args.get("end") in (None, "CURRENT ROW"):
            message = "Window frame starting from FOLLOWING cannot end with CURRENT ROW"
            raise QueryFailed("INVALID_WINDOW_FRAME", message, *position(spec))
        return f"{kind} BETWEEN {sides[0]} AND {sides[1]}"

    def _bound(self, spec: exp.Expr, side: str, kind: str, ordered: list[exp.Expr]) -> str:
        value, word = spec.args.get(side), spec.args.get(f"{side}_side") or ""
        if not isinstance(value, exp.Expr):
            return f"{value or 'CURRENT ROW'} {word}".strip()
        bound_ = self.compile(value)
        place = position(value)
        if bound_.is_null or (bound_.number is not None and bound_.number < 0):
            message = "Window frame offset value must not be negative or null"
            raise QueryFailed("INVALID_WINDOW_FRAME", message, *place)
        if kind != "RANGE":
            if not bound_.type.is_integral:
                wanted = "exact numeric type with scale 0"
                message = f"Window frame {kind} value type must be {wanted} (actual {bound_.type})"
                raise QueryFailed("TYPE_MISMATCH", message, *place)
            return f"{bound_.sql} {word}"
        key = self.compile(ordered[0].this) if len(ordered) == 1 else None
        if key is None:
            raise QueryFailed(
                "INVALID_ORDER_BY",
                "Window frame of type RANGE PRECEDING or FOLLOWING requires single sort item in ORDER BY",
                *place,
            )
        if key.type.is_numeric != bound_.type.is_numeric:
            message = (
                f"Window frame RANGE value type ({bound_.type}) not coercible to sort item type ({key.type})"
            )
            raise QueryFailed("TYPE_MISMATCH", message, *place)
        if bound_.type == INTERVAL_DAY:
            if key.type == DATE and (bound_.number is None or bound_.number % 86_400_000):
                message = "Cannot subtract hour, minutes or seconds from a date"
                raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *place)
            return f"to_microseconds({bound_.sql} * 1000) {word}"
        if bound_.type == INTERVAL_MONTH:
            return f"to_months(CAST({bound_.sql} AS INTEGER)) {word}"
        return f"{bound_.sql} {word}"

    def ordered(self, item: exp.Expr, *, in_window: bool = False) -> str:
        """One item of an ORDER BY; NULLs come last unless the query says otherwise."""
        if in_window and item.args.get("nulls_first"):
            value = self.compile(item.this)
            if value.type.name in ("double", "real"):
                raise NotSupported("A window over floating point numbers, NULLs first", *position(item))
        if not isinstance(item, exp.Ordered):
            return sort_key(self.compile(item), "ASC NULLS LAST", position(item))
        return sort_key(self.compile(item.this), direction(item), position(item))


def sort_key(value: Typed, way: str, place: Place) -> str:
    """What DuckDB sorts by as Trino does: NaN is above all where NULLs come last, else below all."""
    type_ = value.type
    if type_.name in ("map", "json") or any(element.name in ("map", "json") for element in type_.elements):
        message = f"Type {type_} is not orderable, and therefore cannot be used in ORDER BY"
        raise QueryFailed("TYPE_MISMATCH", message, *place)
    if type_.elements:
        return f"{Kernel(nested.orderable, (type_,), type_).sql([value.sql])} {way}"
    if type_.name in ("double", "real") and way.endswith("FIRST"):
        turned = {"ASC": "DESC", "DESC": "ASC"}[way.split()[0]]
        return f"(- {value.sql}) {turned} NULLS FIRST"
    if type_.name in ("double", "real"):
        # DuckDB makes the value of its key again, without the sign of a zero: the key is another one.
        return f"({value.sql} + 0) {way}"
    return f"{value.sql} {way}"


def direction(item: exp.Expr) -> str:
    """Direction and place of NULLs of an ORDER BY item, both explicit.

    Trino's default is NULLS LAST whatever the direction. The parser marks ``nulls_first`` only where it was
    written.
    """
    way = "DESC" if item.args.get("desc") else "ASC"
    return f"{way} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def to_type(node: exp.Expr, around: exp.Expr) -> Type:
    """A type as it stands in a query."""
    kind, place = (node.this if isinstance(node, exp.DataType) else None), position(around)
    if isinstance(kind, exp.Interval):
        return _interval_type(kind, around)
    if not isinstance(kind, exp.DType) or kind == exp.DType.USERDEFINED:
        name = str(node.args.get("kind") or node.sql("trino")).lower().strip('"')
        raise _no_type(name, name, place)
    sizes = tuple(
        int(p.name) for p in node.expressions if isinstance(p, exp.DataTypeParam) and p.name.isdigit()
    )
    if kind in (exp.DType.ARRAY, exp.DType.MAP, exp.DType.STRUCT):
        return _nested_type(kind, node.expressions, around)
    if kind == exp.DType.DECIMAL:
        return _decimal_type(sizes, place)
    if kind in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIME):
        return _moment_type(kind, sizes, place)
    if kind in (exp.DType.VARCHAR, exp.DType.CHAR):
        return Type("char", sizes or (1,)) if kind == exp.DType.CHAR else varchar(*(sizes or (UNBOUNDED,)))
    if kind not in _TYPES:
        shown = {"text": "string"}.get(kind.value.lower(), node.sql("trino").lower())
        raise _no_type(kind.value.lower(), shown, place)
    return _TYPES[kind]


def _no_type(name: str, shown: str, place: Place) -> QueryFailed:
    if name.partition("(")[0].partition("<")[0] in _UNCOMPILED:
        return NotSupported(f"The type {shown}", *place)
    return QueryFailed("TYPE_MISMATCH", f"Unknown type: {shown}", *place)


def _nested_type(kind: exp.DType, parts: list[exp.Expr], around: exp.Expr) -> Type:
    if kind == exp.DType.ARRAY:
        return array(to_type(parts[0], around))
    if kind == exp.DType.MAP:
        return map_of(*(to_type(part, around) for part in parts))
    fields = [part.name if isinstance(part, exp.ColumnDef) else "" for part in parts]
    kinds = [part.args["kind"] if isinstance(part, exp.ColumnDef) else part for part in parts]
    return row([to_type(one, around) for one in kinds], fields)


_UNCOMPILED = {
    "bingtile", "classifier", "codepoints", "color", "function", "geometry", "hyperloglog", "ipaddress",
    "jsonpath", "kdbtree", "likepattern", "model", "p4hyperloglog", "qdigest", "regressor", "setdigest",
    "sphericalgeography", "tdigest", "timetz", "hllsketch",
}  # fmt: skip
"""Types that Trino has and the compiler has not."""


def _interval_type(node: exp.Interval, around: exp.Expr) -> Type:
    unit = node.args.get("unit")
    ends = (
        [unit.this.name.upper(), unit.expression.name.upper()] if isinstance(unit, exp.IntervalSpan) else []
    )
    if ends == ["DAY", "SECOND"]:
        return INTERVAL_DAY
    if ends == ["YEAR", "MONTH"]:
        return INTERVAL_MONTH
    raise QueryFailed("TYPE_MISMATCH", f"Unknown type: {node.sql('trino').lower()}", *position(around))


def _decimal_type(sizes: tuple[int, ...], place: Place) -> Type:
    precision, scale = (*sizes, 38, 0)[:2] if len(sizes) != 1 else (sizes[0], 0)
    if not 1 <= precision <= 38:
        message = f"DECIMAL precision must be in range [1, 38]: {precision}"
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *place)
    if scale > precision:
        message = f"DECIMAL scale must be in range [0, precision ({precision})]: {scale}"
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *place)
    return decimal(precision, scale)


def _moment_type(kind: exp.DType, sizes: tuple[int, ...], place: Place) -> Type:
    digits = sizes[0] if sizes else 3
    names = {exp.DType.TIMESTAMP: "timestamp", exp.DType.TIMESTAMPTZ: TIMESTAMP_TZ, exp.DType.TIME: "time"}
    if digits > 12:
        message = f"{names[kind].split()[0].upper()} precision must be in range [0, 12]: {digits}"
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message, *place)
    if digits > MOST_DIGITS:
        raise NotSupported(f"A time with {digits} digits of a second", *place)
    return Type(names[kind], (digits,), zone="UTC" if kind == exp.DType.TIMESTAMPTZ else "")


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
    exp.DType.JSON: Type("json"),
    exp.DType.UUID: Type("uuid"),
}


def _is_within(inner: exp.Expr, window: exp.Expr) -> bool:
    """Whether a node is in the specification of a window, not in its function."""
    parts = [*(window.args.get("partition_by") or []), window.args.get("order"), window.args.get("spec")]
    return any(part is not None and any(n is inner for n in part.walk()) for part in parts)


def _check_nesting(name: str, arguments: list[exp.Expr], place: Place) -> None:
    """Refuse aggregates and windows within an aggregate."""
    for argument in arguments:
        if (window := argument.find(exp.Window)) is not None:
            shown = f"[{window.sql('trino')}]"
            kinds = "window functions or row pattern measures"
            message = f"Cannot nest {kinds} inside aggregation '{name}': {shown}"
            raise QueryFailed("NESTED_WINDOW", message, *place)
        if any(is_aggregate(part) for part in own_nodes(argument)):
            message = f"Cannot nest aggregations inside aggregation '{name}'"
            raise QueryFailed("NESTED_AGGREGATION", message, *place)


def _wrong_arity(node: exp.Expr, count: int) -> QueryFailed:
    if not isinstance(node, exp.Lambda):
        return QueryFailed("FUNCTION_NOT_FOUND", "Expected a function as an argument", *position(node))
    message = f"Expected a lambda that takes {count} argument(s) but got {len(node.expressions)}"
    return QueryFailed("INVALID_PARAMETER_USAGE", message, *position(node))


def comparison(operator: str, left: Typed, right: Typed, common: Type, place: Place) -> str:
    """A comparison of two values of one type as Trino does it: NaN is equal to nothing and above nothing."""
    if operator.startswith("IS "):
        one, other = comparable([left, right], common)
        return f"({one} {operator} {other})"
    if common.elements:
        return _nested_comparison(operator, left, right, common, place)
    if common.name == "json" and operator not in ("=", "<>"):
        raise QueryFailed(
            "TYPE_MISMATCH", f"Cannot apply operator: {left.type} {operator} {right.type}", *place
        )
    one, other = comparable([left, right], common)
    plain = f"{one} {operator} {other}"
    if common.name not in ("double", "real"):
        return f"({plain})"
    # DuckDB holds NaN for equal to itself and above all else: what it answers wrongly is taken out.
    upper, lower, above = (left, right, one) if operator in ("=", "<>", ">", ">=") else (right, left, other)
    below = other if above == one else one
    if operator in ("=", "<>") and (_is_number(left) or _is_number(right)):
        return f"({plain})"
    if _is_number(upper):
        return f"({plain})"
    if not (upper.is_atomic and lower.is_atomic):
        functions = {"=": nested.equal_numbers, "<>": nested.unequal_numbers}
        function = functions.get(operator) or nested.ordered_numbers(operator)
        return Kernel(function, (common, common), BOOLEAN, key=operator).sql([one, other])
    if operator == "<>":
        return f"({plain} OR CASE WHEN isnan({above}) THEN {below} = {below} ELSE false END)"
    if _is_number(lower):
        return f"({plain} AND NOT isnan({above}))"
    return f"({plain} AND CASE WHEN isnan({above}) THEN {below} <> {below} ELSE true END)"


def _is_number(value: Typed) -> bool:
    """Whether a value is a constant that is a number, and not NaN."""
    constant = value.constant.value if value.constant is not None else None
    return isinstance(constant, int | float) and constant == constant


def _is_unordered(type_: Type) -> bool:
    return bool(type_.elements) or type_.name in ("double", "real")


def _unequal_nan(value: Typed, common: Type | None) -> Typed:
    """A value with which ``IN`` finds no NaN."""
    if common is None or common.name not in ("double", "real") or _is_number(value):
        return value
    raise NotSupported("IN of floating point numbers and a query")


def _nested_comparison(operator: str, left: Typed, right: Typed, common: Type, place: Place) -> str:
    if operator not in ("=", "<>") and (
        common.name == "map" or any(e.name in ("map", "json") for e in common.elements)
    ):
        raise QueryFailed(
            "TYPE_MISMATCH", f"Cannot apply operator: {left.type} {operator} {right.type}", *place
        )
    sqls = [coerce(side, common).sql for side in (left, right)]
    function = {"=": nested.equal, "<>": nested.differs}.get(operator) or nested.ordered(operator)
    return Kernel(function, (common, common), BOOLEAN, key=operator).sql(sqls)


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
        return not isinstance(node.parent, exp.Window)
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
_FORMS = ("NFC", "NFD", "NFKC", "NFKD")
_HIDDEN_ELSEWHERE = ("$bucket", "$file_modified_time", "$file_size", "$partition")
_FIELDS = {
    name: name
    for name in (
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "dow",
    )
    + ("doy", "year_of_week", "yow", "hour", "minute", "second", "timezone_hour", "timezone_minute")
}
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
    "array_sort": _C._sorted,
    "any_match": _C._matches,
    "current_timestamp": _C._precise_now,
    "filter": _C._filter_list,
    "grouping": _C._grouping,
    "localtimestamp": _C._precise_now,
    "map_filter": _C._map_values,
    "none_match": _C._matches,
    "normalize": _C._normalize,
    "reduce": _C._reduce,
    "row": _C._tuple,
    "transform": _C._transform,
    "transform_keys": _C._map_values,
    "transform_values": _C._map_values,
    "try": _C._try,
    "zip_with": _C._zip_with,
}

__all__ = [
    "ExpressionCompiler",
    "Relation",
    "comparison",
    "direction",
    "is_aggregate",
    "own_nodes",
    "sort_key",
    "to_type",
]
