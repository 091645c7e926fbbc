from __future__ import annotations

import re
import socket
import sys

import pytest
from filelock import FileLock

from millpond.base.config import CHECKOUT
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli import main as cli

VERBS = [
    "up",
    "down",
    "status",
    "deploy",
    "destroy",
    "load",
    "workload",
    "ingest",
    "replay",
    "approve",
    "reject",
    "verify",
    "cost",
    "plan",
    "query",
    "logs",
    "demo",
    "dev",
    "doctor",
    "clean",
]


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["millpond", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def test_make_and_the_cli_have_the_same_verbs(monkeypatch, capsys):
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    makefile = (CHECKOUT / "Makefile").read_text()
    for verb in VERBS:
        assert re.search(rf"^\W*{verb}\s", shown, re.MULTILINE), verb
        assert re.search(rf"^{verb}:.*## \w", makefile, re.MULTILINE), verb


def test_every_verb_of_make_has_a_line_in_help():
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) - {"setup", "setup-dev"}
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert targets == explained


def test_an_error_says_what_where_and_the_next_command(monkeypatch, capsys):
    def fail() -> None:
        raise MillpondError("The port 1 is taken.", where="127.0.0.1:1", next_step="millpond down")

    monkeypatch.setattr("millpond.cli.up.load_settings", fail)
    assert run(monkeypatch, "up") == 1
    shown = capsys.readouterr().err
    assert "The port 1 is taken." in shown
    assert "where: 127.0.0.1:1" in shown
    assert "next:  millpond down" in shown
    assert "Traceback" not in shown


def test_a_query_without_an_engine_says_how_to_start_it(monkeypatch, capsys, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MILLPOND_GATEWAY_PORT", str(closed.getsockname()[1]))
    monkeypatch.setenv("MILLPOND_STATE_DIR", str(tmp_path))
    assert run(monkeypatch, "query", "select 1") == 1
    assert "millpond up" in capsys.readouterr().err


def test_a_second_command_on_the_same_stack_is_refused_while_one_works(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MILLPOND_STATE_DIR", str(tmp_path))
    with FileLock(tmp_path / ".lock"):
        assert run(monkeypatch, "down") == 1
    assert "Another millpond command" in capsys.readouterr().err


def test_what_nobody_foresaw_is_told_without_a_traceback_and_kept_in_a_file(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MILLPOND_STATE_DIR", str(tmp_path))

    def fail(settings) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("millpond.cli.status.open_stack", fail)
    assert run(monkeypatch, "status") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert "Traceback" in (tmp_path / "logs" / "millpond-error.log").read_text()


@pytest.mark.parametrize(("seconds", "shown"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (125, "2 min 05 s")])
def test_durations_read_naturally(seconds, shown):
    assert console.duration(seconds) == shown
