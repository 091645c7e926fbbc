"""What a job runs in place of its script when it is debugged (:mod:`millpond.client.debugging`).

It stands alone in the job's own interpreter, Python 3.9 or later: it waits for the terminal on a port of this
machine, then runs the script under pdb.
"""

from __future__ import annotations

import linecache
import pdb
import socket
import sys

PORT = 0
PATH = ""
SOURCE = ""
WAITING = "millpond: pdb waits for its terminal"


class Debugger(pdb.Pdb):
    """Knows whether it was left before the end: the script has not done its work then."""

    was_left = False

    def set_quit(self) -> None:
        """Leave the debugger and the script."""
        self.was_left = True
        super().set_quit()


def main() -> None:
    """Run the script as the main module, from its first line on under pdb."""
    # pdb shows lines of a file that this process may not be allowed to see.
    linecache.cache[PATH] = (len(SOURCE), None, SOURCE.splitlines(keepends=True), PATH)
    with socket.create_server(("127.0.0.1", PORT)) as server:
        sys.stdout.write(f"{WAITING}\n")
        sys.stdout.flush()
        connection, _ = server.accept()
    with connection, connection.makefile("rw", buffering=1, encoding="utf-8") as terminal:
        debugger = Debugger(stdin=terminal, stdout=terminal)
        names = {"__name__": "__main__", "__file__": PATH, "__builtins__": __builtins__}
        debugger.run(compile(SOURCE, PATH, "exec"), names)
    if debugger.was_left:
        sys.exit("The debugger was left before the script's end.")


if __name__ == "__main__":
    main()
