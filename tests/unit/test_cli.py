from __future__ import annotations

import io
import re
import socket
import sys
from importlib.metadata import EntryPoint

import pytest
from filelock import FileLock

from millpond.base.config import CHECKOUT
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli import main as cli
from millpond.cli.query import statements
from millpond.cli.run import distributed_conf, parsed
from millpond.cli.session import going_on


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["millpond", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def test_a_target_of_make_with_the_name_of_a_verb_calls_that_verb():
    verbs = cli.verbs_for([])
    makefile = (CHECKOUT / "Makefile").read_text()
    called = dict(re.findall(r"^([a-z-]+):.*##.*\n\t@\$\(MILLPOND\) ([a-z]+)", makefile, re.MULTILINE))
    assert {name for name in called if name in verbs} >= {"demo", "deploy", "ingest", "verify", "up", "query"}
    assert [name for name in called if name in verbs and called[name] != name] == []


def test_verbs_that_ask_reach_an_account_too(monkeypatch, capsys):
    for verb in (
        "approve",
        "reject",
        "replay",
        "ingest",
        "query",
        "logs",
        "verify",
        "cost",
        "run",
        "start",
        "ls",
    ):
        assert run(monkeypatch, verb, "--help") == 0
        assert "--target" in capsys.readouterr().out, verb


@pytest.mark.parametrize("value", ["no.such.module:theirs", "millpond:no_such_name", "millpond:__version__"])
def test_a_verb_of_a_plug_in_that_cannot_be_loaded_is_named(monkeypatch, value):
    monkeypatch.setattr(cli, "entry_points", lambda group: [EntryPoint("theirs", value, group)])
    for words in ([], ["theirs"]):
        with pytest.raises(MillpondError, match="verb theirs"):
            cli.verbs_for(words)


def test_a_verb_is_loaded_when_it_is_typed_and_all_where_help_is_asked_for(monkeypatch):
    plugged_in = [EntryPoint(word, "millpond.cli.down:down", cli.PLUGINS) for word in ("theirs", "status")]
    monkeypatch.setattr(cli, "entry_points", lambda group: plugged_in)
    status, theirs = cli.VERBS["status"].load(), plugged_in[0].load()
    assert cli.verbs_for(["status", "--json"]) == {"status": status}
    assert cli.verbs_for(["theirs"]) == {"theirs": theirs}
    for words in ([], ["--help"], ["--tier", "compose", "status"], ["unknown"]):
        verbs = cli.verbs_for(words)
        assert verbs.keys() == {"theirs", *cli.VERBS}
        assert verbs["status"] == status
    group = cli.typer.main.get_command(cli.make_app(verbs))
    assert {"spark-history", "exec", "console", "theirs"} <= group.commands.keys()


def test_a_folder_that_cannot_be_written_is_told_with_what_to_do(monkeypatch, capsys, tmp_path):
    # As root, nothing but such a file system refuses to be written.
    monkeypatch.setenv("MILLPOND_STATE_DIR", "/proc/self/none")
    assert run(monkeypatch, "down") == 1
    said = capsys.readouterr().err
    assert "The folder of this stack cannot be written" in said
    assert "MILLPOND_STATE_DIR" in said
    monkeypatch.setattr(cli.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(cli, "make_app", lambda _: (_ for _ in ()).throw(OSError("gone")))
    assert run(monkeypatch, "down") == 1
    assert "OSError: gone" in capsys.readouterr().err
    assert "OSError: gone" in next(tmp_path.rglob("millpond-error.log")).read_text()


@pytest.mark.parametrize(("command", "said"), [("millpond exec -- stop it", 1), ("", 0)])
def test_ctrl_c_says_that_what_is_followed_goes_on_and_how_to_stop_it(capsys, command, said):
    with pytest.raises(KeyboardInterrupt), going_on("The ingest", lambda: command):
        raise KeyboardInterrupt
    assert capsys.readouterr().err.count(f"The ingest goes on; to stop it:  {command}") == said


def test_the_environment_is_printed_for_a_shell(monkeypatch, capsys):
    monkeypatch.setenv("MILLPOND_GATEWAY_PORT", "4999")
    assert run(monkeypatch, "env") == 0
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4999\n" in capsys.readouterr().out


def test_an_argument_of_a_run_without_a_value_is_refused():
    assert parsed(["day=2026-01-01", "--table=a=b"]) == {"--day": "2026-01-01", "--table": "a=b"}
    with pytest.raises(MillpondError, match="day has no value"):
        parsed(["day"])


def test_every_verb_of_make_has_a_line_in_help():
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) - {"setup", "setup-dev", "toolchain"}
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


def test_statements_are_read_up_to_a_semicolon_at_the_end_of_a_line(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1;\n\nSELECT\n  ';' AS a\n;\n;\nSELECT 3\n"))
    assert list(statements()) == ["SELECT 1", "SELECT\n  ';' AS a", "SELECT 3"]


def test_what_was_begun_is_forgotten_by_ctrl_c_and_on_an_empty_line_it_ends_the_prompt(monkeypatch):
    typed = iter(["SELECT", KeyboardInterrupt, "SELECT 2;", KeyboardInterrupt])

    def answered(_: str) -> str:
        if (line := next(typed)) is KeyboardInterrupt:
            raise KeyboardInterrupt
        return str(line)

    monkeypatch.setattr("builtins.input", answered)
    assert list(statements()) == ["SELECT 2"]


@pytest.mark.parametrize(
    ("of_job", "given", "expected"),
    [
        ("", {}, "spark.master=local-cluster"),
        ("spark.a=1", {}, "spark.a=1 --conf spark.master=local-cluster"),
        ("spark.a=1", {"--conf": "spark.b=2"}, "spark.b=2 --conf spark.master=local-cluster"),
    ],
)
def test_a_distributed_run_keeps_the_properties_that_it_would_have(
    of_job: str, given: dict[str, str], expected: str
) -> None:
    job = {"Command": {"Name": "glueetl"}, "DefaultArguments": {"--conf": of_job}}
    assert distributed_conf(job, given) == expected
