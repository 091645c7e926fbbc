from __future__ import annotations

import ast
import importlib
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from localstack.packages.api import PackageException, PackageInstaller

import millpond.localstack_ext
from millpond.base.config import CHECKOUT
from millpond.base.foreign import Target, signature_of
from millpond.localstack_ext.engine import hooks, patches
from millpond.localstack_ext.engine.patches import INVENTORY, USED

ROOT = Path(millpond.localstack_ext.__file__).parent
THEIRS = ("localstack", "moto", "rolo", "twisted", "werkzeug")


def test_what_is_changed_is_there_as_it_was_when_the_change_was_written() -> None:
    installed = {row.name: row.installed_signature for row in INVENTORY}
    # Another test may have installed some.
    installed |= {name: signature_of(patch.old) for name, patch in patches._applied.items()}
    assert installed == {row.name: row.signature for row in INVENTORY}


def test_the_private_names_of_theirs_that_are_used_are_there_and_pass_the_linter() -> None:
    installed = {row.name: row.installed_signature for row in USED}
    assert installed == {row.name: row.signature for row in USED}
    allowed = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["flake8-self"]
    assert {row.name.rpartition(".")[2] for row in USED} <= set(allowed["extend-ignore-names"])


def test_what_is_changed_is_of_the_release_that_the_change_was_written_for() -> None:
    releases = {row.release for row in (*INVENTORY, *USED)}
    assert releases == {f"{name} {version(name)}" for name in (row.split()[0] for row in releases)}


def test_every_row_is_installed_once_and_says_why() -> None:
    installed = [name for path in ROOT.rglob("*.py") for name in _installed(path)]
    assert sorted(installed) == sorted(row.name for row in INVENTORY)
    assert all(row.reason.endswith(".") for row in INVENTORY)


def test_nothing_of_theirs_is_changed_by_other_means() -> None:
    changed = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in ROOT.rglob("*.py")
        for line in _changed(ast.parse(path.read_text()))
    }
    assert changed == set()


@pytest.mark.parametrize(
    "source",
    [
        "from moto.ec2 import models\nmodels.backend = None",
        "from moto.ec2.models import Backend as Theirs\nTheirs.make = lambda: None",
        "from moto.ec2.models import Backend\nBackend.kinds['a'] = None",
        "from moto.ec2.models import Backend\nsetattr(Backend, 'make', None)",
        "def install():\n    from localstack import config\n    config.DEBUG += 1",
        "from localstack.utils.patch import patch",
        "import localstack.config\nlocalstack.config.DEBUG = True",
    ],
)
def test_a_change_by_other_means_is_seen(source: str) -> None:
    assert len(_changed(ast.parse(source))) == 1


class Theirs:
    kinds: Mapping[str, int] = {"a": 1}

    def double(self, number: int) -> int:
        return 2 * number

    @staticmethod
    def half(number: int) -> int:
        return number // 2


class Heir(Theirs):
    pass


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Theirs]]:
    names = ("double", "half", "kinds", "treble")
    rows = {key: Target(key, "", "", "") for name in names if (key := patches.name_of(Theirs, name))}
    rows[patches.name_of(Heir, "double")] = Target("", "", "", "")
    applied: dict[str, Any] = {}
    monkeypatch.setattr(patches, "_ROWS", rows)
    monkeypatch.setattr(patches, "_applied", applied)
    yield Theirs
    for patch in applied.values():
        patch.undo()


def test_a_wrapped_function_is_handed_what_was_there(theirs: type[Theirs]) -> None:
    patches.wrap(theirs, "double", lambda former, self, number: former(self, number) + 1)
    patches.wrap(theirs, "half", lambda former, number: former(number) + 1)
    assert (theirs().double(2), theirs().half(4), theirs.half(4)) == (5, 3, 3)


def test_what_is_installed_again_takes_the_place_of_the_former(theirs: type[Theirs]) -> None:
    for _ in range(2):
        patches.wrap(theirs, "double", lambda former, self, number: former(self, number) + 1)
        patches.wrap(theirs, "half", lambda former, number: former(number) + 1)
    assert (theirs().double(2), theirs().half(4)) == (5, 3)


def test_values_are_replaced_and_methods_added(theirs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "treble", None, raising=False)
    patches.replace(theirs, "kinds", {**theirs.kinds, "b": 2})
    patches.add(theirs, "treble", lambda _self, number: 3 * number)
    assert (theirs.kinds, theirs().treble(2)) == ({"a": 1, "b": 2}, 6)


def test_a_change_that_is_not_listed_or_meets_nothing_is_refused(theirs: type[Theirs]) -> None:
    with pytest.raises(LookupError, match=r"Theirs\.quarter is not in the inventory"):
        patches.replace(theirs, "quarter", None)
    with pytest.raises(LookupError, match=r"Theirs\.quarter is not in the inventory"):
        patches.add(theirs, "quarter", print)
    with pytest.raises(AttributeError, match=r"Heir\.double is not defined there"):
        patches.wrap(Heir, "double", print)


def _installed(path: Path) -> Iterator[str]:
    """The names that calls of ``patches.wrap`` and its like have in the inventory."""
    tree = ast.parse(path.read_text())
    imports = _imports(tree)
    for call in ast.walk(tree):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("patches"), attr="wrap" | "replace" | "add"),
                args=[ast.Name(owner), ast.Constant(str(name)), _],
            ):
                module, _, attribute = imports[owner].rpartition(".")
                imported: type | ModuleType = getattr(importlib.import_module(module), attribute)
                yield patches.name_of(imported, name)


def _changed(tree: ast.Module) -> set[int]:
    """The lines that assign to, or patch, what is imported of theirs."""
    theirs = {name for name, source in _imports(tree).items() if source.split(".")[0] in THEIRS}
    lines: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets):
                changed: list[ast.expr] = targets
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                changed = [target]
            case ast.Call(func=ast.Name("setattr"), args=[target, *_]):
                changed = [ast.Attribute(target, "")]
            case ast.ImportFrom(module="localstack.utils.patch", names=[ast.alias("patch"), *_]):
                lines.add(node.lineno)
                continue
            case _:
                continue
        lines |= {node.lineno for statement in changed if _root(statement) in theirs}
    return lines


def _root(target: ast.expr) -> str | None:
    """The name that an attribute or an item is reached from; None of a plain name."""
    if not isinstance(target, ast.Attribute | ast.Subscript):
        return None
    inner = target.value
    return inner.id if isinstance(inner, ast.Name) else _root(inner)


def _imports(tree: ast.Module) -> dict[str, str]:
    """What each imported name is, wherever in a module it is imported."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {
                imported.asname or imported.name: f"{node.module}.{imported.name}" for imported in node.names
            }
        elif isinstance(node, ast.Import):
            names |= {
                imported.asname or imported.name.split(".")[0]: imported.name for imported in node.names
            }
    return names


def test_what_localstack_would_download_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PackageInstaller, "install", PackageInstaller.install)
    hooks._stay_offline()

    class Absent(PackageInstaller):
        def _get_install_marker_path(self, install_dir: str) -> str:
            return f"{install_dir}/nothing-is-here"

    with pytest.raises(PackageException, match="it downloads nothing"):
        Absent("thing", "1.0").install()
