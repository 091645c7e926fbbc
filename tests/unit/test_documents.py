"""Every command of the documents is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from millpond.base.config import CHECKOUT
from millpond.cli import main as cli

DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
# What stands in a document for something that the reader chooses, where not any word will do.
CHOSEN = {"KIND": "jobs", "MODE": "enforce"}
GROUP: Any = typer.main.get_command(cli.make_app((*cli.VERBS, *cli.plugged_in())))


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
    words = shlex.split(re.sub(r"(?<=\S)…|\[|\]| …|\s<\s*\S+", "", command), comments=True)[1:]
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
