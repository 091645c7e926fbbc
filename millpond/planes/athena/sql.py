"""The text of a statement as a syntax tree, with Trino's grammar and Trino's errors."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import Token, TokenType

from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.grammar import check, position

_GRAMMATICAL = {"CAST", "TRY_CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM", "LISTAGG"}


class _Literals(dict[Any, Any]):
    """``DATE '…'`` is another thing than ``CAST('…' AS date)``: each such constant is marked."""

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: ARG002 - the same for all
        return _literal

    def __contains__(self, key: object) -> bool:
        return True


def _literal(_parser: TrinoParser, text: exp.Expr, type_: exp.DataType) -> exp.Expr:
    if not text.is_string:
        raise ParseError("A constant of a type is text", [{"highlight": text.name, **_place(text)}])
    constant = exp.Cast(this=text, to=type_)
    constant.meta["is_literal"] = True
    constant.update_positions(text)
    return constant


def _place(node: exp.Expr) -> dict[str, Any]:
    return {"line": node.meta.get("line", 1), "col": node.meta.get("col", 1)}


_NESTED_TYPES = frozenset({TokenType.ARRAY, TokenType.MAP, TokenType.STRUCT})
_OPENING = frozenset({TokenType.L_BRACKET, TokenType.L_PAREN})


class _Parser(TrinoParser):
    """Every call keeps the name it was written with: what a name means is for the compiler to say."""

    def _parse_types(self, check_func: bool = False, *arguments: Any, **more: Any) -> exp.Expr | None:
        """A type; ``ARRAY[…]``, ``ROW(…)`` and ``MAP(…)`` in an expression are not looked at as one."""
        # Each would be parsed twice, and what is in it four times, and so on.
        is_nested = self._curr is not None and self._curr.token_type in _NESTED_TYPES
        if check_func and is_nested and self._next is not None and self._next.token_type in _OPENING:
            return None
        return super()._parse_types(check_func, *arguments, **more)

    def _parse_substring(self) -> exp.Expr:  # type: ignore[override]
        """``SUBSTRING(x FROM 1)`` is of the grammar; with commas it is a call of a function of that name."""
        name = self._tokens[self._index - 2]
        values = [value for value in self._parse_csv(self._parse_bitwise) if value is not None]
        if len(values) == 1 and self._match(TokenType.FROM):
            start = self._parse_bitwise()
            length = self._parse_bitwise() if self._match(TokenType.FOR) else None
            return exp.Substring(this=values[0], start=start, length=length)
        call = exp.Anonymous(this="substring", expressions=values)
        call.update_positions(name)
        return call

    def _parse_join(self, *arguments: Any, **more: Any) -> exp.Join | None:
        """A join that is no comma and no CROSS JOIN has a condition."""
        is_comma = self._curr is not None and self._curr.token_type == TokenType.COMMA
        join = super()._parse_join(*arguments, **more)
        if join is None or is_comma or join.args.get("on") is not None or join.args.get("using"):
            return join
        if join.kind != "CROSS" and join.method != "NATURAL":
            self.raise_error("Expecting: 'ON', 'USING'")
        return join

    ARRAY_CONSTRUCTORS: ClassVar[dict[str, Any]] = {"ARRAY": exp.Array}
    TYPE_LITERAL_PARSERS: ClassVar = _Literals()

    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
        name: parse for name, parse in TrinoParser.FUNCTION_PARSERS.items() if name in _GRAMMATICAL
    }


class TrinoSql(Trino):
    """sqlglot's Trino without its canonical functions, and with subscripts left as written."""

    INDEX_OFFSET = 0
    # A type that it does not know is a type still, for the compiler to refuse.
    SUPPORTS_USER_DEFINED_TYPES = True
    Parser = _Parser


# Words of the grammar: they are no names unless they are quoted.
_RESERVED = frozenset(
    {
        "ALTER", "AND", "AS", "BETWEEN", "BY", "CASE", "CAST", "CONSTRAINT", "CREATE", "CROSS", "CUBE",
        "DEALLOCATE", "DELETE", "DESCRIBE", "DISTINCT", "DROP", "ELSE", "END", "ESCAPE", "EXCEPT", "EXECUTE",
        "EXISTS", "EXTRACT", "FALSE", "FOR", "FROM", "FULL", "GROUP", "GROUPING", "HAVING", "IN", "INNER",
        "INSERT", "INTERSECT", "INTO", "IS", "JOIN", "LEFT", "LIKE", "LISTAGG", "NATURAL", "NORMALIZE", "NOT",
        "NULL", "ON", "OR", "ORDER", "OUTER", "PREPARE", "RECURSIVE", "RIGHT", "ROLLUP", "SELECT", "SKIP",
        "TABLE", "THEN", "TRIM", "TRUE", "UESCAPE", "UNION", "UNNEST", "USING", "VALUES", "WHEN", "WHERE",
        "WITH",
    }
)  # fmt: skip
_UNFINISHED = frozenset(
    {TokenType.COMMA, TokenType.ON, TokenType.JOIN, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.WHERE}
    | {TokenType.FROM, TokenType.SELECT, TokenType.AND, TokenType.OR, TokenType.HAVING, TokenType.DISTINCT}
)
_CLOSING = frozenset(
    {TokenType.R_PAREN, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY}
)
_RADIX = {"x": (16, "[0-9a-f_]+"), "o": (8, "[0-7_]+"), "b": (2, "[01_]+")}


# A nested expression takes some twenty calls a level; the stack of a thread has room for many more.
_DEEPEST = 15_000


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let expressions be nested some hundreds of levels deep.

    Raises
    ------
    QueryFailed
        ``STACK_OVERFLOW``, as Trino says it, where one is deeper still.
    """
    # Never lowered again: another thread may be as deep.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _DEEPEST))
    try:
        yield
    except RecursionError:
        message = "statement is too large (stack overflow during analysis)"
        raise QueryFailed("STACK_OVERFLOW", message) from None


_PARTED_BYTES = re.compile(r"\b[xX]'[0-9a-fA-F\s]*'")
_OF_STANDARD = re.compile(r"\b(json_(?:array|exists|object|query|table|value))\s*\(", re.IGNORECASE)


def _unexpected(token: Token | None, text: str) -> QueryFailed:
    if token is None:
        lines = text.rstrip().split("\n")
        return QueryFailed("SYNTAX_ERROR", "mismatched input '<EOF>'", len(lines), len(lines[-1]) + 1)
    place = (token.line, max(token.col - (token.end - token.start), 1))
    return QueryFailed("SYNTAX_ERROR", f"mismatched input '{text[token.start : token.end + 1]}'", *place)


def _tokens(text: str) -> list[Token]:
    """The tokens of a statement, numbers as Trino writes them, and nothing that only other dialects allow.

    Raises
    ------
    QueryFailed
        ``SYNTAX_ERROR`` for a token, or two beside each other, that Trino's grammar has not.
    """
    try:
        found: list[Token] = list(TrinoSql().tokenize(text))
    except TokenError:
        # Blanks may part the digits of a binary constant.
        packed = _PARTED_BYTES.sub(lambda match: re.sub(r"\s", "", match[0]), text)
        if packed == text:
            raise
        return _tokens(packed)
    joined = re.compile(r"(\d[\d.]*[eE]\d+)[+-]")
    for token in found:
        # The tokenizer takes a sign after an exponent for a part of the number.
        if token.token_type == TokenType.NUMBER and (match := joined.match(token.text)) is not None:
            end = token.start + len(match[1])
            return _tokens(f"{text[:end]} {text[end:]}")
    kept: list[Token] = []
    for index, token in enumerate(found):
        following = found[index + 1] if index + 1 < len(found) else None
        before = kept[-1] if kept else None
        written = text[token.start : token.end + 1]
        if token.token_type == TokenType.VAR and _is_number_before(before, token):
            kept[-1] = _number(text[kept[-1].start : token.end + 1], kept[-1], token)
            continue
        if token.token_type == TokenType.HEX_STRING and written[:2].lower() == "0x":
            token = _number(written, token, token)
        _check_token(kept[-2:], token, following, text)
        kept.append(token)
    if found and found[-1].token_type in _UNFINISHED:
        raise _unexpected(None, text)
    return kept


def _is_number_before(before: Token | None, token: Token) -> bool:
    """Whether a number ends where a token begins."""
    return before is not None and before.token_type == TokenType.NUMBER and before.end + 1 == token.start


def _number(written: str, first: Token, last: Token) -> Token:
    """``1_000``, ``0x1F``, ``0o17`` and ``0b101``."""
    lowered = written.lower()
    radix, digits = _RADIX.get(lowered[1:2], (10, r"\d[\d_]*(?:\.[\d_]*)?(?:e[+-]?\d+)?"))
    body = lowered[2:] if radix != 10 else lowered
    if (
        not re.fullmatch(digits, body)
        or body.endswith("_")
        or "__" in body
        or (radix != 10 and lowered[0] != "0")
    ):
        message = "identifiers must not start with a digit; surround the identifier with double quotes"
        raise QueryFailed("SYNTAX_ERROR", message, first.line, max(first.col - (first.end - first.start), 1))
    value = str(int(body.replace("_", ""), radix)) if radix != 10 else body.replace("_", "")
    return Token(TokenType.NUMBER, value, line=last.line, col=last.col, start=first.start, end=last.end)


def _check_token(before: list[Token], token: Token, following: Token | None, text: str) -> None:
    kind, written = token.token_type, text[token.start : token.end + 1]
    words = [part.text.upper() for part in before]
    if kind == TokenType.NUMBER and words[-1:] == ["INTERVAL"]:
        raise _unexpected(token, text)
    if written.upper() == "VARYING" or "VARYING" in written.upper().split():
        raise _unexpected(token, text)
    if kind == TokenType.FROM and words == ["TRIM", "("]:
        message = "The 'trim' function must have specification, char or both arguments when it takes FROM"
        raise QueryFailed("SYNTAX_ERROR", message, before[0].line, max(before[0].col - 3, 1))
    if kind == TokenType.NULLSAFE_EQ:
        raise _unexpected(token, text)
    if kind == TokenType.VAR and not re.fullmatch(r"[A-Za-z_@][A-Za-z0-9_@:]*|\?", written):
        raise _unexpected(token, text)
    if kind == TokenType.IDENTIFIER and not token.text:
        place = (token.line, max(token.col - (token.end - token.start), 1))
        raise QueryFailed("SYNTAX_ERROR", "Zero-length delimited identifier not allowed", *place)
    if kind == TokenType.COMMA and following is not None and following.token_type in _CLOSING:
        raise _unexpected(following, text)


_SIGNS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


def _check_names(tree: exp.Expr) -> None:
    """Refuse words of the grammar as names, and comparisons of comparisons.

    Raises
    ------
    QueryFailed
        ``SYNTAX_ERROR``, as Trino's grammar has it.
    """
    comparisons = tuple(_SIGNS)
    for node in tree.walk():
        if (
            isinstance(node, exp.Identifier)
            and not node.args.get("quoted")
            and node.name.upper() in _RESERVED
        ):
            raise QueryFailed("SYNTAX_ERROR", f"mismatched input '{node.name}'", *position(node))
        if isinstance(node, comparisons) and isinstance(node.this, comparisons):
            raise QueryFailed("SYNTAX_ERROR", f"mismatched input '{_SIGNS[type(node)]}'", *position(node))


def parse_query(text: str) -> exp.Expr:
    """Parse one statement.

    Raises
    ------
    QueryFailed
        ``SYNTAX_ERROR`` with the place of the first error. What is not supported, :func:`understood` refuses.
    """
    try:
        with deep_recursion():
            tokens = _tokens(text)
            statements = TrinoSql().parser().parse(tokens, text)
    except ParseError as error:
        if standard := _OF_STANDARD.search(text):
            # Their clauses are a grammar of their own.
            return not_understood(text, NotSupported(f"The function {standard[1].lower()}"))
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
    if isinstance(found[0], exp.Select) and not found[0].expressions:
        raise _unexpected(None, text)
    try:
        with deep_recursion():
            _check_names(found[0])
            check(found[0])
    except NotSupported as error:
        return not_understood(text, error)
    return found[0]


_REFUSAL = "refusal"


def not_understood(text: str, refusal: NotSupported) -> exp.Expr:
    """A statement of which only the kind is known here, and why: Trino may answer it."""
    node = exp.Command(this=text)
    node.meta[_REFUSAL] = refusal
    return node


def understood(node: exp.Expr) -> exp.Expr:
    """The statement itself.

    Raises
    ------
    NotSupported
        If only its kind is known.
    """
    if isinstance(node, exp.Command) and isinstance(refusal := node.meta.get(_REFUSAL), NotSupported):
        raise refusal
    return node
