"""The command line: the harness's verbs, and those that plug-ins bring."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from millpond import __version__
from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console

# A package that is installed beside Millpond has an entry point of this group for each of its verbs: the word
# that is typed, and the function.
PLUGINS = "millpond.verbs"
# Each is a function in the module of its name; a word of Python's has an underscore behind it.
_FUNCTIONS = (
    *("init", "up", "down", "status", "doctor", "deploy", "plan", "destroy", "run", "debug", "notebook"),
    *("glue", "start", "query", "logs", "ls", "tail", "console_", "spark_history", "iam", "network", "env"),
    *("exec_", "shell", "trino", "snapshot", "reset", "clean", "uninstall"),
)
# A verb is imported when it is typed, so that none waits for what the others need.
VERBS = {
    (word := function.rstrip("_").replace("_", "-")): EntryPoint(
        word, f"millpond.cli.{function}:{function}", PLUGINS
    )
    for function in _FUNCTIONS
}

Verb = Callable[..., Any]


def make_app(verbs: Mapping[str, Verb]) -> typer.Typer:
    """The command line with these verbs, by the words that are typed."""
    app = typer.Typer(
        help="AWS for data engineers on this machine.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    for word, verb in verbs.items():
        app.command(word)(verb)
    return app


def verbs_for(words: Sequence[str]) -> dict[str, Verb]:
    """The verbs that a command line can mean: one, or all where its first word is none or an option's.

    No plug-in takes the place of one of the harness's verbs.

    Raises
    ------
    MillpondError
        If a verb cannot be imported, or is no function.
    """
    word = next((word for word in words if not word.startswith("-")), "")
    if word in VERBS:
        return {word: _loaded(VERBS[word])}
    known = {**{entry.name: entry for entry in entry_points(group=PLUGINS)}, **VERBS}
    meant = {word: known[word]} if word in known else known
    return {word: _loaded(entry) for word, entry in meant.items()}


def _loaded(entry: EntryPoint) -> Verb:
    reason: object = "it is no function"
    verb: Verb | None
    try:
        verb = entry.load()
    except (ImportError, AttributeError) as error:
        verb, reason = None, error
    if not callable(verb):
        raise MillpondError(
            f"The verb {entry.name} cannot be loaded: {reason}.",
            where=entry.value,
            next_step="install anew what brings it, or remove that",
        )
    return verb


def _show_version(is_asked: bool) -> None:
    if is_asked:
        console.out.print(f"millpond {__version__}", highlight=False)
        raise typer.Exit


def _options(
    tier: Annotated[
        str | None, typer.Option(help="What the stack is made of: embedded (the default) or compose.")
    ] = None,
    version: Annotated[  # noqa: ARG001 (answered by its callback)
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if tier is not None:
        os.environ["MILLPOND_TIER"] = tier


def main() -> None:
    """Run a verb; whatever goes wrong is told in words."""
    try:
        make_app(verbs_for(sys.argv[1:]))(prog_name="millpond")
    except MillpondError as error:
        console.show_error(error)
        sys.exit(1)
    except EndpointConnectionError as error:
        console.show_error(
            MillpondError("The engine does not answer.", where=str(error), next_step="millpond up")
        )
        sys.exit(1)
    except ClientError as error:
        console.show_error(
            MillpondError(
                f"{error.operation_name}: {error.response['Error'].get('Message', error)}",
                where=error.response["Error"].get("Code", ""),
                next_step="millpond status; if nothing is deployed, millpond deploy",
            )
        )
        sys.exit(1)
    except KeyboardInterrupt:
        console.err.print("[yellow]interrupted[/yellow]; next: millpond status, or millpond down to stop all")
        sys.exit(130)
    except (OSError, BotoCoreError, RuntimeError) as error:
        console.show_error(_unexpected(error))
        sys.exit(1)


def _unexpected(error: Exception) -> MillpondError:
    """An error that no code expects: its traceback goes to a file, not to the screen."""
    log = load_settings().state / "logs" / "millpond-error.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        log = Path(tempfile.mkdtemp(prefix="millpond-")) / log.name
    log.write_text(traceback.format_exc())
    return MillpondError(
        f"{type(error).__name__}: {error}", where=str(log), next_step="millpond status, then try again"
    )


if __name__ == "__main__":
    main()
