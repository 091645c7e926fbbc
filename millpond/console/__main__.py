"""Serve the console: what ``millpond console`` becomes, in the console's own environment."""

from __future__ import annotations

import logging
import os
import sys

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

    serve(opening, source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
