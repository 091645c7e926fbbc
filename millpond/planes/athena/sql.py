"""The text of a statement as a syntax tree, with Trino's grammar and Trino's errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser

from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.grammar import check

_GRAMMATICAL = {"CAST", "TRY_CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM", "LISTAGG"}


def _decimal_literal(_parser: TrinoParser, text: exp.Expr, _type: exp.DataType) -> exp.Expr:
    """``DECIMAL '1.50'`` has as many digits as are written; ``CAST('1.50' AS decimal)`` has not."""
    whole, _, fraction = text.name.strip().lstrip("+-").partition(".")
    digits = max(1, len(whole.lstrip("0")) + len(fraction))
    sizes = [exp.DataTypeParam(this=exp.Literal.number(size)) for size in (digits, len(fraction))]
    return exp.Cast(this=text, to=exp.DataType(this=exp.DType.DECIMAL, expressions=sizes))


class _Parser(TrinoParser):
    """Every call keeps the name it was written with: what a name means is for the compiler to say."""

    ARRAY_CONSTRUCTORS: ClassVar[dict[str, Any]] = {"ARRAY": exp.Array}
    TYPE_LITERAL_PARSERS: ClassVar = {
        **TrinoParser.TYPE_LITERAL_PARSERS,
        exp.DType.DECIMAL: _decimal_literal,
    }

    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
        name: parse for name, parse in TrinoParser.FUNCTION_PARSERS.items() if name in _GRAMMATICAL
    }


class TrinoSql(Trino):
    """sqlglot's Trino without its canonical functions, and with subscripts left as written."""

    INDEX_OFFSET = 0
    Parser = _Parser


def parse_query(text: str) -> exp.Expr:
    """Parse one statement.

    Raises
    ------
    QueryFailed
        ``SYNTAX_ERROR`` with the place of the first error, or that a part of it is not supported.
    """
    dialect = TrinoSql()
    try:
        statements = dialect.parser().parse(dialect.tokenize(text), text)
    except ParseError as error:
        first = error.errors[0]
        near = first.get("highlight") or "<EOF>"
        raise QueryFailed(
            "SYNTAX_ERROR",
            f"mismatched input '{near}'",
            first.get("line"),
            (first.get("col") or 1) - len(near) + 1 if first.get("highlight") else first.get("col"),
        ) from error
    except TokenError as error:
        raise QueryFailed("SYNTAX_ERROR", f"mismatched input: {error}", 1, 1) from error
    found = [statement for statement in statements if statement is not None]
    if len(found) != 1:
        raise QueryFailed("", f"Only one sql statement is allowed. Got: {text}")
    check(found[0])
    return found[0]
