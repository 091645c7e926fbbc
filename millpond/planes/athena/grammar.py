"""The part of the grammar that the compiler understands: every kind of node, and every part of each.

The parser knows more SQL than the compiler, and other dialects' too. A part of a statement that is not listed
here would be lost without a word, so it is refused instead.
"""

from __future__ import annotations

from sqlglot import exp

from millpond.planes.athena.exceptions import NotSupported, Place

_BINARY = {"this", "expression"}
_UNARY = {"this"}
_LIST = {"expressions"}
_SET_OPERATION = {"this", "expression", "distinct", "order", "limit", "offset", "with_"}
_MODIFIERS = {"order", "limit", "offset", "with_"}

_UNDERSTOOD: dict[type[exp.Expr], set[str]] = {
    # Names and constants
    exp.Column: {"this", "table", "db", "catalog"},
    exp.Identifier: {"this", "quoted"},
    exp.Dot: _BINARY,
    exp.Star: set(),
    exp.Literal: {"this", "is_string"},
    exp.Boolean: {"this"},
    exp.Null: set(),
    exp.HexString: {"this", "is_integer"},
    exp.Interval: {"this", "unit"},
    exp.IntervalSpan: _BINARY,
    exp.Var: {"this"},
    # Operators
    exp.Paren: {"this"},
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Mod), _BINARY),
    exp.Div: {*_BINARY, "typed", "safe"},
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), _BINARY),
    **dict.fromkeys((exp.NullSafeEQ, exp.NullSafeNEQ, exp.And, exp.Or, exp.Escape), _BINARY),
    **dict.fromkeys((exp.Not, exp.Neg, exp.All, exp.Any, exp.Exists), _UNARY),
    exp.Is: {*_BINARY, "negate"},
    exp.Like: {*_BINARY, "negate"},
    exp.DPipe: {*_BINARY, "safe"},
    exp.Between: {"this", "low", "high"},
    exp.In: {"this", "expressions", "query"},
    # Conversions, conditions and functions
    exp.Case: {"this", "ifs", "default"},
    exp.If: {"this", "true", "false"},
    exp.Cast: {"this", "to"},
    exp.TryCast: {"this", "to", "safe", "requires_string"},
    exp.DataType: {"this", "expressions", "nested"},
    exp.DataTypeParam: {"this"},
    exp.ColumnDef: {"this", "kind"},
    exp.AtTimeZone: {"this", "zone"},
    exp.Anonymous: {"this", "expressions"},
    exp.Extract: _BINARY,
    exp.Substring: {"this", "start", "length"},
    exp.Trim: {"this", "expression", "position"},
    exp.StrPosition: {"this", "substr"},
    exp.CurrentDate: set(),
    exp.CurrentTimestamp: set(),
    exp.Localtimestamp: set(),
    exp.Array: {"expressions", "bracket_notation"},
    exp.Tuple: {"expressions"},
    exp.Bracket: {"this", "expressions"},
    exp.Lambda: {"this", "expressions"},
    exp.Distinct: {"expressions"},
    exp.Filter: _BINARY,
    exp.GroupConcat: {"this", "separator"},
    **dict.fromkeys((exp.IgnoreNulls, exp.RespectNulls), _UNARY),
    exp.Window: {"this", "partition_by", "order", "spec", "alias", "over"},
    exp.WindowSpec: {"kind", "start", "start_side", "end", "end_side"},
    # Changes
    exp.Delete: {"this", "where"},
    exp.Update: {"this", "expressions", "where"},
    exp.Merge: {"this", "using", "on", "whens"},
    exp.Whens: {"expressions"},
    exp.When: {"matched", "condition", "then"},
    exp.Insert: {"this", "expression"},
    # Queries
    exp.Select: {"expressions", "from_", "joins", "where", "group", "having", "distinct", "windows"}
    | _MODIFIERS,
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), _SET_OPERATION),
    exp.Subquery: {"this", "alias", "joins"} | _MODIFIERS,
    exp.Values: {"expressions", "alias"},
    exp.With: {"expressions", "recursive"},
    exp.CTE: {"this", "alias"},
    exp.Alias: {"this", "alias"},
    exp.TableAlias: {"this", "columns"},
    exp.From: {"this"},
    exp.Table: {"this", "db", "catalog", "alias", "joins", "version"},
    exp.Version: {"this", "kind", "expression"},
    exp.Join: {"this", "on", "side", "kind", "using"},
    exp.Unnest: {"expressions", "alias", "offset"},
    exp.Lateral: {"this", "alias"},
    **dict.fromkeys((exp.Where, exp.Having), _UNARY),
    exp.Group: {"expressions"},
    **dict.fromkeys((exp.GroupingSets, exp.Cube, exp.Rollup), _LIST),
    exp.Order: {"this", "expressions"},
    exp.Ordered: {"this", "desc", "nulls_first"},
    exp.Limit: {"expression"},
    exp.Offset: {"expression"},
    exp.Fetch: {"direction", "count"},
}


def check(tree: exp.Expr) -> None:
    """Look at every node of a statement.

    Raises
    ------
    NotSupported
        If there is one that the compiler does not know, or does not know all of.
    """
    for node in tree.walk():
        understood = _UNDERSTOOD.get(type(node))
        if understood is None:
            raise NotSupported(f"{type(node).__name__} ({_shortened(node)})", *position(node))
        for name, value in node.args.items():
            if value not in (None, False, "", []) and name not in understood:
                part = name.strip("_").replace("_", " ").upper()
                raise NotSupported(f"{part} of {type(node).__name__} ({_shortened(node)})", *position(node))


_PLACE = "place of the leftmost token"


def position(node: exp.Expr) -> Place:
    """Line and column, counted from one, where the leftmost token of a node begins."""
    known: Place | None = node.meta.get(_PLACE)
    if known is None:
        places = [position(part) for part in node.iter_expressions()]
        if "line" in node.meta:
            places.append((node.meta["line"], node.meta["col"] - (node.meta["end"] - node.meta["start"])))
        found = [(line, column) for line, column in places if line is not None and column is not None]
        # Each node is asked again by those around it.
        known = node.meta[_PLACE] = min(found) if found else (None, None)
    return known


def _shortened(node: exp.Expr) -> str:
    text = node.sql("trino")
    return text if len(text) <= 60 else f"{text[:57]}…"
