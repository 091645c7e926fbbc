"""Serve the console: what ``millpond console`` starts, in the console's own environment."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from millpond.base.errors import MillpondError
from millpond.console.source import Opening, open_source


def main() -> int:
    """Serve until the process is ended; 1 when what it shall show cannot be reached."""
    opening = Opening.from_environment()
    try:
        source = open_source(opening)
    except MillpondError as error:
        sys.stderr.write(f"{error.what} {error.where}\n")
        return 1
    # NiceGUI reads it as it is imported: nothing is stored, and nothing at all in the folder of the project.
    os.environ["NICEGUI_STORAGE_PATH"] = os.devnull
    logging.getLogger("nicegui").setLevel(logging.WARNING)
    from millpond.console.server import serve

    threading.Thread(target=_end_with_opener, daemon=True).start()
    serve(opening, source)
    return 0


def _end_with_opener() -> None:
    """End when who opened the console has ended, also if it was killed."""
    while os.read(sys.stdin.fileno(), 1):
        # Nobody writes to it.
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
