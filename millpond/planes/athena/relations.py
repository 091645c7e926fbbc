"""What a name can mean: columns, the relations of a FROM clause, and the scopes they form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from millpond.planes.athena.exceptions import Place, QueryFailed
from millpond.planes.athena.types import Type, quote


@dataclass(frozen=True)
class Constant:
    """A value that stands in the statement itself: text, a number, a truth value or None."""

    value: str | int | float | bool | None


@dataclass(frozen=True)
class Typed:
    """An expression in DuckDB's SQL with its Trino type.

    Parameters
    ----------
    sql : str
        DuckDB's SQL.
    type : Type
        Trino's type.
    constant : Constant, optional
        Its value, where it is known before anything runs.
    is_atomic : bool
        Whether it is so small that it may be written more than once: a column, a parameter or a constant.
    """

    sql: str
    type: Type
    constant: Constant | None = None
    is_atomic: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it is known to be NULL."""
        return self.constant is not None and self.constant.value is None

    @property
    def text(self) -> str | None:
        """The text of a constant that is one."""
        value = self.constant.value if self.constant else None
        return value if isinstance(value, str) else None

    @property
    def number(self) -> int | None:
        """The number of a constant that is a whole one."""
        value = self.constant.value if self.constant else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Column:
    """A column of a relation.

    Parameters
    ----------
    name : str
        The name a query uses; empty for a column that was given none.
    sql_name : str
        Its name in the DuckDB statement.
    type : Type
        Its Trino type.
    is_hidden : bool
        Whether ``*`` leaves it out, as for ``"$path"``.
    """

    name: str
    sql_name: str
    type: Type
    is_hidden: bool = False


@dataclass
class Relation:
    """Something in a FROM clause.

    Parameters
    ----------
    alias : str
        Its name in the DuckDB statement, unique in the statement.
    names : tuple of str
        What a query may write before the dot: alias, or catalog, database and table.
    columns : sequence of Column
        In order.
    is_optional : bool
        Whether an outer join can fill it with NULLs.
    """

    alias: str
    names: tuple[str, ...]
    columns: Sequence[Column]
    is_optional: bool = False

    def reference(self, column: Column) -> Typed:
        return Typed(f"{quote(self.alias)}.{quote(column.sql_name)}", column.type, is_atomic=True)

    def is_called(self, qualifier: Sequence[str]) -> bool:
        """Whether ``a``, ``db.a`` or ``catalog.db.a`` names this relation."""
        return bool(qualifier) and tuple(qualifier) == self.names[-len(qualifier) :]


@dataclass(frozen=True)
class Found:
    """Where a name was found; a relation and a column unless it is a parameter or a merged column."""

    value: Typed
    relation: Relation | None = None
    column: Column | None = None
    is_outer: bool = False


@dataclass
class Scope:
    """The relations that expressions see, and the scope around them.

    Parameters
    ----------
    relations : list of Relation
        In the order of the FROM clause.
    merged : dict
        Columns of ``JOIN … USING``, which stand for those of both sides.
    parameters : dict
        Parameters of the lambda whose body this is.
    parent : Scope, optional
        The query, or lambda, around this one.
    is_lambda : bool
        Whether this is the body of a lambda, which belongs to the same query as its parent.
    reaches_out : bool
        Whether a name in it was found in a query around it.
    """

    relations: list[Relation] = field(default_factory=list)
    merged: dict[str, Typed] = field(default_factory=dict)
    parameters: dict[str, Typed] = field(default_factory=dict)
    parent: Scope | None = None
    is_lambda: bool = False
    reaches_out: bool = False

    def visible(self) -> Iterator[tuple[str, Typed]]:
        """What ``*`` stands for."""
        yield from self.merged.items()
        for relation in self.relations:
            for column in relation.columns:
                if not column.is_hidden and column.name not in self.merged:
                    yield column.name, relation.reference(column)

    def find(self, parts: Sequence[str], place: Place) -> Found | None:
        """Look up ``column`` or ``qualifier.column`` here and in the scopes around.

        Raises
        ------
        QueryFailed
            ``AMBIGUOUS_NAME`` if two columns have the name.
        """
        scope: Scope | None = self
        is_outer = False
        passed: list[Scope] = []
        while scope is not None:
            if found := scope.find_here(parts, place):
                for inner in passed if is_outer else []:
                    inner.reaches_out = True
                return Found(found.value, found.relation, found.column, is_outer)
            is_outer = is_outer or not scope.is_lambda
            passed.append(scope)
            scope = scope.parent
        return None

    def find_here(self, parts: Sequence[str], place: Place) -> Found | None:
        """Look up a column in this scope alone; raises as :meth:`find` does."""
        *qualifier, name = parts
        if not qualifier and (parameter := self.parameters.get(name) or self.merged.get(name)):
            return Found(parameter)
        found = [
            Found(relation.reference(column), relation, column)
            for relation in self.relations
            # A column of USING belongs to neither side.
            if (not qualifier or relation.is_called(qualifier)) and not (qualifier and name in self.merged)
            for column in relation.columns
            if column.name.lower() == name
        ]
        if len(found) > 1:
            raise QueryFailed("AMBIGUOUS_NAME", f"Column '{'.'.join(parts)}' is ambiguous", *place)
        return found[0] if found else None
