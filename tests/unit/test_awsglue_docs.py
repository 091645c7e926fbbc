"""The page on our ``awsglue``: it says what the code says, of each public name, and each row has its test."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from millpond.base.config import CHECKOUT

RUNTIME = CHECKOUT / "glue_runtime"


@pytest.fixture(scope="module")
def coverage() -> Iterator[Any]:
    sys.path.insert(0, str(RUNTIME))
    yield importlib.import_module("awsglue._coverage")
    sys.path.remove(str(RUNTIME))
    for name in [name for name in sys.modules if name.partition(".")[0] == "awsglue"]:
        del sys.modules[name]


def classes(path: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse((RUNTIME / path).read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def public(node: ast.ClassDef) -> set[str]:
    return {
        method.name
        for method in node.body
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
    }


def test_page_is_what_the_table_says(coverage: Any) -> None:
    assert (CHECKOUT / "docs" / "awsglue.md").read_text() == coverage.markdown()


def test_each_row_names_a_test_that_is_there(coverage: Any) -> None:
    tests = {
        f"{path.stem}::{node.name}"
        for directory in ("awsglue", "unit", "e2e", "integration")
        for path in (CHECKOUT / "tests" / directory).glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    missing = {row.name: row.test for _, rows in coverage.SECTIONS for row in rows if row.test not in tests}
    assert not missing


@pytest.mark.parametrize(
    ("path", "name", "aliases"),
    [
        ("awsglue/context.py", "GlueContext", {"getLogger": "get_logger", "getOrCreate": "GlueContext"}),
        ("awsglue/dynamicframe.py", "DynamicFrame", {}),
    ],
)
def test_each_public_method_has_a_row(coverage: Any, path: str, name: str, aliases: dict[str, str]) -> None:
    rows = {row.name for _, rows in coverage.SECTIONS for row in rows}
    methods = public(classes(path)[name])
    assert {aliases.get(method, method) for method in methods} <= rows


def test_each_transform_has_a_row_and_each_refusal_says_so(coverage: Any) -> None:
    states = {
        row.name: row.state for title, rows in coverage.SECTIONS if title == "Transforms" for row in rows
    }
    refused = {
        name: path.stem == "refused"
        for path in Path(RUNTIME / "awsglue" / "transforms").glob("*.py")
        for name in classes(str(path.relative_to(RUNTIME)))
    }
    assert {name: state == "refused" for name, state in states.items()} == refused
