from __future__ import annotations

import ast
import inspect
from importlib.metadata import version
from pathlib import Path

import millpond.planes.athena
from millpond.base.foreign import Target
from millpond.planes.athena.iceberg import commit
from millpond.planes.athena.iceberg.internals import INVENTORY
from millpond.planes.common.iceberg import IcebergCatalog

ROOT = Path(millpond.planes.athena.__file__).parent


def test_the_private_names_of_pyiceberg_are_there_as_they_were() -> None:
    assert {row.name: row.installed_signature for row in INVENTORY} == {
        row.name: row.signature for row in INVENTORY
    }
    assert {row.release for row in INVENTORY} == {f"pyiceberg {version('pyiceberg')}"}


def test_every_private_name_of_pyiceberg_that_is_used_is_listed() -> None:
    """In an own subclass of pyiceberg's: what it overrides, and what it reads and does not define."""
    used = {
        f"{owner.__module__}:{owner.__qualname__}.{name}"
        for own in (commit._Producer, commit._DeleteManifestWriter, IcebergCatalog)
        for name in _private_names(own)
        if (owner := _owner(own, name)) is not None
    }
    assert used == {row.name for row in INVENTORY if _is_member(row)}


def test_only_listed_private_names_of_pyiceberg_are_imported() -> None:
    imported = {
        f"{node.module}:{target.name}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyiceberg")
        for target in node.names
        if target.name.startswith("_")
    }
    assert imported == {row.name for row in INVENTORY if not _is_member(row)}


def _is_member(row: Target) -> bool:
    return "." in row.name.partition(":")[2]


def _private_names(own: type) -> set[str]:
    """The private names in the code of a class: what it defines, and what it reads of ``self``."""
    tree = ast.parse(Path(inspect.getfile(own)).read_text())
    [definition] = [
        node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == own.__name__
    ]
    read = {
        node.attr
        for node in ast.walk(definition)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    made = {node.name for node in definition.body if isinstance(node, ast.FunctionDef)}
    return {name for name in read | made if name.startswith("_") and not name.startswith("__")}


def _owner(own: type, name: str) -> type | None:
    """The class of pyiceberg that has a name of a subclass."""
    for base in own.__mro__[1:]:
        if base.__module__.startswith("pyiceberg") and (
            name in vars(base) or name in vars(base).get("__annotations__", {})
        ):
            return base
    return None
