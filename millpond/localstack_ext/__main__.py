"""Runs the engine: ``python -m millpond.localstack_ext``."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from localstack.runtime.main import main as run_localstack

from millpond.localstack_ext.engine import service_index


def main() -> NoReturn:
    """Run LocalStack until it is told to stop, and leave at once when it has.

    By then its services and the planes are closed, but some of its idle threads would keep the interpreter
    for another five to nine seconds.
    """
    service_index.provide()
    try:
        run_localstack()  # type: ignore[no-untyped-call]
    except SystemExit as end:
        service_index.keep()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    raise AssertionError("LocalStack's main function ends by SystemExit")


if __name__ == "__main__":
    main()
