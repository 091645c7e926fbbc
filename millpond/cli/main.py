"""The command line: the harness's verbs, and those that plug-ins bring."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from millpond import __version__
from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.clean import clean
from millpond.cli.console_ import console_
from millpond.cli.debug import debug
from millpond.cli.deploy import deploy
from millpond.cli.destroy import destroy
from millpond.cli.doctor import doctor
from millpond.cli.down import down
from millpond.cli.env import env
from millpond.cli.exec_ import exec_, shell
from millpond.cli.glue import glue
from millpond.cli.iam import iam
from millpond.cli.init import init
from millpond.cli.logs import logs
from millpond.cli.ls import ls
from millpond.cli.network import network
from millpond.cli.notebook import notebook
from millpond.cli.plan import plan
from millpond.cli.query import query
from millpond.cli.reset import reset
from millpond.cli.run import run
from millpond.cli.snapshot import snapshot
from millpond.cli.spark_history import spark_history
from millpond.cli.start import start
from millpond.cli.status import status
from millpond.cli.tail import tail
from millpond.cli.trino import trino
from millpond.cli.uninstall import uninstall
from millpond.cli.up import up

VERBS = (
    init,
    up,
    down,
    status,
    doctor,
    deploy,
    plan,
    destroy,
    run,
    debug,
    notebook,
    glue,
    start,
    query,
    logs,
    ls,
    tail,
    console_,
    spark_history,
    iam,
    network,
    env,
    exec_,
    shell,
    trino,
    snapshot,
    reset,
    clean,
    uninstall,
)
# A package that is installed beside Millpond names here a sequence of functions, each of them a verb.
PLUGINS = "millpond.verbs"

Verb = Callable[..., Any]


def make_app(verbs: Iterable[Verb]) -> typer.Typer:
    """The command line with these verbs; a later one takes the place of one with the same name."""
    app = typer.Typer(
        help="AWS for data engineers on this machine.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    for verb in {verb.__name__: verb for verb in verbs}.values():
        app.command(name_of(verb))(verb)
    return app


def plugged_in() -> list[Verb]:
    """The verbs of every plug-in, in the order of their names.

    Raises
    ------
    MillpondError
        If a plug-in cannot be imported.
    """
    verbs: list[Verb] = []
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda one: one.name):
        try:
            verbs += plugin.load()
        except (ImportError, AttributeError) as error:
            raise MillpondError(
                f"The plug-in {plugin.name} cannot be loaded: {error}.",
                where=plugin.value,
                next_step="install it anew, or remove it",
            ) from error
    return verbs


def verbs_for(words: Sequence[str]) -> list[Verb]:
    """The verbs that a command line can mean.

    Plug-ins are loaded where it names none of the harness's, which no plug-in can take the place of: each of
    them imports what it needs, and a glance at a stack shall not wait for it.
    """
    named = next((word for word in words if not word.startswith("-")), "")
    is_own = any(name_of(verb) == named for verb in VERBS)
    return list(VERBS) if is_own else [*plugged_in(), *VERBS]


def name_of(verb: Verb) -> str:
    """The word that is typed; a verb that is a word of Python's has an underscore behind its name."""
    return str(verb.__name__).rstrip("_").replace("_", "-")


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
