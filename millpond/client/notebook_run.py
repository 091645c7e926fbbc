"""Executes a notebook in place: ``millpond notebook --execute``.

It stands alone in the environment of notebooks. What cells have put out is written whether or not all ran.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbclient
import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError


def main(path: Path, kernel: str) -> int:
    """Run the cells from the first to the last, or to one that fails; 1 then."""
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, kernel_name=kernel, timeout=None, resources={"metadata": {"path": str(path.parent)}}
    )
    try:
        client.execute()
    except CellExecutionError as error:
        sys.stderr.write(f"A cell failed: {error.ename}: {error.evalue}\n")
        return 1
    except DeadKernelError as error:
        sys.stderr.write(f"The kernel ended: {error}\n")
        return 1
    finally:
        nbformat.write(notebook, path)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
