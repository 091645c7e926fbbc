"""What a job runs in place of its script when it is debugged (:mod:`millpond.client.debugging`).

It stands alone in the job's own interpreter, Python 3.9 or later: it waits on a port of this machine for the
terminal of pdb, or for an editor that speaks to debugpy, then runs the script.
"""

from __future__ import annotations

import linecache
import os
import pdb
import socket
import sys

IS_FOR_EDITOR = False
PORT = 0
PATH = ""
SOURCE = ""
WAITING = "millpond: the debugger waits"


class Debugger(pdb.Pdb):
    """Knows whether it was left before the end: the script has not done its work then."""

    was_left = False

    def set_quit(self) -> None:
        """Leave the debugger and the script."""
        self.was_left = True
        super().set_quit()


def under_pdb() -> None:
    """Run the script from its first line on under pdb, whose terminal is whoever connects."""
    # pdb shows lines of a file that this process may not be allowed to see.
    linecache.cache[PATH] = (len(SOURCE), None, SOURCE.splitlines(keepends=True), PATH)
    with socket.create_server(("127.0.0.1", PORT)) as server:
        wait()
        connection, _ = server.accept()
    # Two files: one for both ways forgets, when it is written to, what it has read ahead.
    with connection, connection.makefile("r") as typed, connection.makefile("w", buffering=1) as shown:
        debugger = Debugger(stdin=typed, stdout=shown)
        debugger.run(compile(SOURCE, PATH, "exec"), names())
    if debugger.was_left:
        sys.exit("The debugger was left before the script's end.")


def under_debugpy() -> None:
    """Run the script once an editor has attached and has set its breakpoints."""
    # Modules of the standard library may be built in, where breakpoints are not found; nobody sets any there.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    import debugpy  # type: ignore[import-not-found]

    debugpy.listen(("127.0.0.1", PORT))
    wait()
    debugpy.wait_for_client()
    exec(compile(SOURCE, PATH, "exec"), names())  # noqa: S102 (the job's own script)


def wait() -> None:
    """Tell whoever reads the log that somebody may connect."""
    sys.stdout.write(f"{WAITING}\n")
    sys.stdout.flush()


def names() -> dict[str, object]:
    """The names that a main module has when it starts."""
    return {"__name__": "__main__", "__file__": PATH, "__builtins__": __builtins__}


if __name__ == "__main__":
    under_debugpy() if IS_FOR_EDITOR else under_pdb()
