"""``getResolvedOptions`` of our ``awsglue``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from millpond.base.config import CHECKOUT

Resolve = Callable[[list[str], list[str]], dict[str, Any]]


@pytest.fixture
def utils(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(CHECKOUT / "glue_runtime"))
    yield importlib.import_module("awsglue.utils")
    for name in [name for name in sys.modules if name.startswith("awsglue")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("argv", "options", "expected"),
    [
        (["job.py", "--table", "orders"], ["table"], {"table": "orders"}),
        (["job.py", "--table=orders"], ["table"], {"table": "orders"}),
        (["job.py", "--table", "a", "--table", "b"], ["table"], {"table": "b"}),
        (["job.py", "--tab", "orders"], ["table"], {"table": "orders"}),
        (["job.py", "--limit", "-5"], ["limit"], {"limit": "-5"}),
        (["job.py", "--my-name", "x"], ["my-name"], {"my_name": "x"}),
        (["job.py", "--other", "1", "--table", ""], ["table"], {"table": ""}),
        (
            ["job.py", "--JOB_NAME", "j", "--TempDir", "s3://t"],
            ["JOB_NAME", "TempDir"],
            {"TempDir": "s3://t"},
        ),
        (["job.py", "--JOB_RUN_ID", "jr_1"], [], {"JOB_RUN_ID": "jr_1", "TempDir": None}),
        (["job.py"], [], {"job_bookmark_option": "job-bookmark-disable"}),
    ],
)
def test_options_are_resolved_as_argparse_does(
    utils: Any, argv: list[str], options: list[str], expected: dict[str, str | None]
) -> None:
    resolved = utils.getResolvedOptions(argv, options)
    assert {name: resolved[name] for name in expected} == expected


def test_what_was_not_asked_for_is_not_in_the_answer(utils: Any) -> None:
    assert "other" not in utils.getResolvedOptions(["job.py", "--other", "1"], [])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["job.py"], "the following arguments are required: --table"),
        (["job.py", "--table"], "argument --table: expected one argument"),
        (["job.py", "--table", "--other"], "argument --table: expected one argument"),
    ],
)
def test_missing_option_is_a_GlueArgumentError(utils: Any, argv: list[str], message: str) -> None:  # noqa: N802
    with pytest.raises(utils.GlueArgumentError, match=message):
        utils.getResolvedOptions(argv, ["table"])


def test_ambiguous_abbreviation_is_an_error(utils: Any) -> None:
    with pytest.raises(utils.GlueArgumentError, match="ambiguous option: --table_"):
        utils.getResolvedOptions(["job.py", "--table_", "x"], ["table_a", "table_b"])


def test_reserved_names_cannot_be_asked_for(utils: Any) -> None:
    with pytest.raises(RuntimeError, match="Using reserved arguments JOB_RUN_ID"):
        utils.getResolvedOptions(["job.py"], ["JOB_RUN_ID"])
