"""Every command of the documents is one that the command line takes."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from millpond.base.config import CHECKOUT
from millpond.cli import main as cli

DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
# What stands in a document for something that the reader chooses, where not any word will do.
CHOSEN = {"KIND": "jobs", "MODE": "enforce"}
GROUP: Any = typer.main.get_command(cli.make_app(cli.verbs_for([])))


def commands(text: str) -> Iterator[tuple[str, bool]]:
    """The commands of a document, and whether each is to be typed, as a line of a block is."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [(line, True) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for candidate, is_typed in [*lines, *((one, False) for one in re.findall(r"`([^`\n]+)`", prose))]:
        if found := re.search(r"(?:^|&& |\$ |\$\(|exec )(millpond [^)]+)", candidate.strip()):
            yield found[1], is_typed


def words_of(command: str) -> list[str]:
    """The words after ``millpond``: optional ones are taken as given, and what repeats stands once."""
    words = shlex.split(re.sub(r"(?<=\S)…|\[|\]| …|\s[<>]\s*\S+", "", command), comments=True)[1:]
    return [CHOSEN.get(word, word) for word in words]


ALL = sorted({(path.name, *one) for path in DOCUMENTS for one in commands(path.read_text())})


def test_commands_are_found() -> None:
    found = {document for document, _, is_typed in ALL if is_typed}
    assert len(ALL) > 60
    assert found >= {"README.md", "databases.md", "install.md", "projects.md"}


@pytest.mark.parametrize(("document", "command", "is_typed"), ALL)
def test_a_command_of_a_document_parses(document: str, command: str, is_typed: bool) -> None:
    try:
        context = GROUP.make_context("millpond", words_of(command))
        if rest := [*context._protected_args, *context.args]:
            name, verb, arguments = GROUP.resolve_command(context, rest)
            verb.make_context(name, arguments, parent=context)
    except typer._click.exceptions.MissingParameter:
        assert not is_typed, f"{document}: {command} lacks what the verb needs"


# What a document tells to type, and no test does; each with the reason.
NOT_RUN = {
    "millpond trino install": "fetches 300 MB; test_athena_trino_engine.py runs what it installs",
    "millpond plan --target aws": "test_deploy_aws.py, which adds the target to each verb",
    "millpond destroy --target aws": "test_deploy_aws.py, which adds the target to each verb",
    "millpond console --endpoint-url http://127.0.0.1:5000": "test_console.py opens one in its process",
    "millpond console --target aws --region eu-west-1": "asks an account",
}
# A word behind these is another command.
OF_ACTIONS = frozenset({"lake", "snapshot", "iam", "trino"})
TESTS = (CHECKOUT / "tests", CHECKOUT / "pytest-millpond")


def invocations() -> Iterator[list[str]]:
    """The words of every call, list and tuple of the tests: what a test runs is among them."""
    for path in (path for directory in TESTS for path in directory.rglob("*.py") if path != Path(__file__)):
        for node in ast.walk(ast.parse(path.read_text())):
            found = getattr(node, "args", None) if isinstance(node, ast.Call) else getattr(node, "elts", None)
            if isinstance(found, list):
                words = [one.value for one in found if isinstance(one, ast.Constant)]
                # The fixtures add it.
                aws = (
                    ["--target"] if any(one.arg == "is_aws" for one in getattr(node, "keywords", ())) else []
                )
                yield [word for word in words if isinstance(word, str)] + aws


def command_of(words: Sequence[str]) -> tuple[str, frozenset[str]] | None:
    """The verb, with its action, and the names of its options."""
    at = next((number for number, word in enumerate(words) if word in GROUP.commands), None)
    if at is None:
        return None
    verb, rest = words[at], words[at + 1 :]
    action = f" {rest[0]}" if verb in OF_ACTIONS and rest and not rest[0].startswith("-") else ""
    return verb + action, frozenset(word for word in rest if word.startswith("--") and word != "--")


def test_every_command_of_a_document_is_run_by_a_test() -> None:
    run: dict[str, set[str]] = {}
    for words in invocations():
        if found := command_of(words):
            run.setdefault(found[0], set()).update(found[1])
    missing = {}
    for document, command, _ in ALL:
        found = command_of(words_of(command))
        if found is None or command in NOT_RUN:
            continue
        if found[0] not in run or not found[1] <= run[found[0]]:
            missing[command] = document
    assert missing == {}
