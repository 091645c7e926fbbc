"""Names are nouns of their domain, and none is ``one``, ``found``, ``given`` or ``told``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache

from millpond.base.config import CHECKOUT

SAYING_NOTHING = {"one", "found", "given", "told"}

# Patterns of the files whose names still have to be replaced. A pattern without such a file is taken out.
NOT_YET = (
    "bench/*",
    "glue_jobs/*",
    "lake/*",
    "lambdas/*",
    "media/*",
    "millpond/cli/*",
    "millpond/console/*",
    "millpond/localstack_ext/glue/*",
    "millpond/localstack_ext/iam/*",
    "millpond/planes/athena/*",
    "millpond/planes/glue/*",
    "millpond/planes/iam/*",
    "millpond/planes/network/*",
    "millpond/stack/*",
    "pytest-millpond/*",
    "tests/awsglue/*",
    "tests/compose/*",
    "tests/e2e/*",
    "tests/integration/*",
    "tests/permissions.py",
    "tests/state_directories.py",
    "tests/terraform_types/*",
    "tests/trino_answers/*",
    "tests/unit/telemetry_fakes.py",
    "tests/unit/test_athena_*",
    "tests/unit/test_glue_*",
    "tests/unit/test_ci_files.py",
    "tests/unit/test_cli.py",
    "tests/unit/test_compose_errors.py",
    "tests/unit/test_compose_files.py",
    "tests/unit/test_console_reads.py",
    "tests/unit/test_cost.py",
    "tests/unit/test_documents.py",
    "tests/unit/test_iam_decision.py",
    "tests/unit/test_ingest_lib_arrow.py",
    "tests/unit/test_ingest_lib_lake.py",
    "tests/unit/test_ingest_lib_mysql.py",
    "tests/unit/test_ingest_lib_settings.py",
    "tests/unit/test_ingest_lib_spark.py",
    "tests/unit/test_media.py",
    "tests/unit/test_monitoring_metrics.py",
    "tests/unit/test_network_ways.py",
    "tests/unit/test_notify_lambda.py",
    "tests/unit/test_package_build.py",
    "tests/unit/test_plan_lambda.py",
    "tests/unit/test_readme.py",
    "tests/unit/test_register_lambda.py",
    "tests/unit/test_seed_template.py",
    "tests/unit/test_terraform_files.py",
    "tests/unit/test_verify_queries.py",
)

# Attributes of these classes are in the saved state of engines, which could not be read after another name.
SAVED = {
    ("millpond/localstack_ext/stepfunctions/map_runs.py", "given"),
    ("millpond/localstack_ext/stepfunctions/progress.py", "given"),
}

ROOTS = (
    "bench",
    "glue_jobs",
    "glue_runtime",
    "lake",
    "lambdas",
    "media",
    "millpond",
    "pytest-millpond",
    "tests",
)


def defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each variable, argument, function and class; an import keeps its own name."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case (
                ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name))
            ):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


@cache
def saying_nothing(file: str) -> list[str]:
    """``file:line: name`` of each such name in a file."""
    return [
        f"{file}:{line}: {name}"
        for line, name in defined(ast.parse((CHECKOUT / file).read_text()))
        if name.strip("_") in SAYING_NOTHING and (file, name) not in SAVED
    ]


@cache
def files() -> list[str]:
    return [str(path.relative_to(CHECKOUT)) for root in ROOTS for path in (CHECKOUT / root).rglob("*.py")]


def test_every_name_says_what_it_is_of() -> None:
    done = [file for file in files() if not any(fnmatchcase(file, pattern) for pattern in NOT_YET)]
    names = [text for file in done for text in saying_nothing(file)]
    assert not names, "\n".join(names)


def test_what_is_listed_as_not_yet_done_is_not_done() -> None:
    done = [
        pattern
        for pattern in NOT_YET
        if not any(saying_nothing(file) for file in files() if fnmatchcase(file, pattern))
    ]
    assert not done, f"take out of NOT_YET: {', '.join(done)}"
