"""The walls between the rooms: what each may import, and what the harness may name."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from millpond.base.config import CHECKOUT

# What this repository's platform calls its own.
OF_THE_PLATFORM = re.compile(
    r"\berp\b|\btpch\b|tpch_sf|(?<!\.)millpond-dev|millpond/dev|job_settings|table_structures|ingest_runs|-ingest\b"
    r"|(?<![\w/.-])(?:terraform(?!/plugins)|lambdas|fixtures|glue_jobs|CFN|onprem_db)/"
    r"|\"(?:lambdas|fixtures|glue_jobs|CFN)\""
)

NO_ENGINE = r"localstack\b|moto\b"


def modules_of(*directories: str) -> list[Path]:
    return sorted(path for name in directories for path in (CHECKOUT / name).rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_the_harness_names_nothing_of_the_platform():
    lines = [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()}"
        for path in modules_of("millpond")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if OF_THE_PLATFORM.search(line)
    ]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    ("rooms", "forbidden"),
    [
        (["millpond"], r"lake\b"),
        (["glue_jobs", "lambdas", "glue_runtime"], r"(millpond|lake)\b"),
        (["millpond/base"], r"millpond\.(?!base\b)"),
        (["millpond/client"], r"millpond\.(?!base\b|client\b)"),
        (["millpond/planes"], NO_ENGINE + r"|millpond\.(?!base\b|planes\b)"),
        (
            ["millpond/toolchain"],
            NO_ENGINE + r"|millpond\.(cli|project|testing|stack|localstack_ext)\b",
        ),
        (["millpond/stack"], NO_ENGINE + r"|millpond\.(cli|project|testing|localstack_ext)\b"),
        (["millpond/project"], NO_ENGINE + r"|millpond\.(cli|testing|localstack_ext)\b"),
        (["millpond/cli", "millpond/testing"], NO_ENGINE + r"|millpond\.localstack_ext\b"),
        (["millpond/console"], NO_ENGINE + r"|millpond\.(?!base\b|client\b|console\b|stack\b|planes\.iam\b)"),
        (["millpond/console/reads"], r"nicegui\b"),
        (["millpond/localstack_ext"], r"millpond\.(cli|project|testing|client)\b"),
    ],
)
def test_a_room_imports_nothing_of_the_rooms_above_it(rooms: list[str], forbidden: str):
    imports = [
        f"{path.relative_to(CHECKOUT)} imports {name}"
        for path in modules_of(*rooms)
        for name in imports_of(path)
        if re.match(forbidden, name)
    ]
    assert not imports, "\n".join(imports)


def test_no_two_files_of_tests_have_the_same_name():
    # The folders of tests are no packages: pytest takes files of one name for the same module.
    names = Counter(path.name for path in (CHECKOUT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
