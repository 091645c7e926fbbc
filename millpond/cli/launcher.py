"""The program ``millpond``: it goes on in the environment of the harness, which it makes first.

An installer puts Millpond into an environment of its own making, with whatever Python it likes. What does the
work is the harness's environment, with Python 3.13 and every package as it is locked; one for each user.
Standard library only, for any Python from 3.9 on.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from millpond import __version__
from millpond.base.places import default_home
from millpond.toolchain import bootstrap

MODULE = "millpond.cli.main"
LOCALSTACK = "millpond.localstack_ext"


def main() -> None:
    """Run a verb in the environment of the harness."""
    if (Path(sys.prefix) / bootstrap.COMPLETE).exists():
        from millpond.cli.main import main as run

        run()
        return
    if sys.argv[1:] == ["--version"]:
        print(f"millpond {__version__}")
        return
    try:
        interpreter = _interpreter(default_home())
    except bootstrap.BootstrapError as error:
        print(f"millpond: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("millpond: interrupted; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
    _go_on(interpreter)


def _interpreter(home: Path) -> Path:
    interpreter, stamp = bootstrap.harness(home)
    if stamp.is_current and interpreter.exists():
        return interpreter
    running = _running(interpreter)
    if not running:
        return bootstrap.ensure_harness(home, dev=False)
    if sys.argv[1:2] == ["down"]:
        return interpreter
    raise bootstrap.BootstrapError(
        f"This is another version than the one that still runs in {running}.\n"
        f"Stop that first: cd {shlex.quote(running)} && millpond down"
    )


def _running(interpreter: Path) -> str:
    """The folder of a project whose engine runs from this environment; empty when none does."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if command[0] == str(interpreter) and LOCALSTACK in command:
                # An engine works in `state/engine` of its project's `.millpond`.
                return str((process / "cwd").readlink().parents[2])
        except OSError:
            continue
    return ""


def _go_on(interpreter: Path) -> NoReturn:
    # Isolated: no module of the directory that we are in takes the place of one of the harness.
    os.execv(str(interpreter), [str(interpreter), "-I", "-m", MODULE, *sys.argv[1:]])  # noqa: S606
