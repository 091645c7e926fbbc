"""Write the tables of docs/contracts.md that follow from the ingest library.

Each stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. Run ``python -m lake.contract_tables``
after a setting, a load mode or a type changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ingest import mysql, postgresql
from ingest.dialect import Dialect
from ingest.mysql import MySQL
from ingest.postgresql import PostgreSQL
from ingest.settings_schema import FIELDS, LOAD_MODES

from millpond.base.config import CHECKOUT

CONTRACTS = CHECKOUT / "docs" / "contracts.md"
_GENERATED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_TYPES = {"boolean": "bool", "integer": "number", "array": "list", "object": "map"}


def settings_table() -> str:
    """Every key of a settings item."""
    rows = [
        (f"`{name}`", _type(field), _default(field), field["description"]) for name, field in FIELDS.items()
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def load_modes_table() -> str:
    """What each load mode needs, reads and does."""
    rows = [
        (f"`{mode.name}`", ", ".join(f"`{name}`" for name in mode.needs), mode.reads, mode.does)
        for mode in LOAD_MODES.values()
    ]
    return _table(("mode", "needs", "reads", "does"), rows)


def types_table() -> str:
    """A type of each kind of PostgreSQL's, and what the catalog has for it."""
    return _types("PostgreSQL", PostgreSQL(), postgresql.EXAMPLES)


def mysql_types_table() -> str:
    """The same of MySQL and MariaDB."""
    return _types("MySQL, MariaDB", MySQL(), mysql.EXAMPLES)


def _types(title: str, dialect: Dialect, examples: Sequence[tuple[str, str]]) -> str:
    rows = [(f"`{name}`", f"`{dialect.type_of(name).catalog_type}`", note) for name, note in examples]
    return _table((title, "Glue", "note"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "load_modes": load_modes_table,
    "types": types_table,
    "mysql_types": mysql_types_table,
}


def rewritten(text: str) -> str:
    """A document with every generated table as it has to be."""
    return _GENERATED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def _type(field: Mapping[str, Any]) -> str:
    kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
    choices = ", ".join(f"`{choice['const']}`" for choice in field.get("oneOf", ()))
    return choices or " or ".join(_TYPES.get(kind, kind) for kind in kinds)


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return "required"
    return f"`{json.dumps(field['default'])}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Rewrite docs/contracts.md."""
    CONTRACTS.write_text(rewritten(CONTRACTS.read_text()))


if __name__ == "__main__":
    main()
