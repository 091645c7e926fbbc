"""Importing the modules of one Lambda as its zip has them, and forgetting them again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from lake.package import FUNCTIONS, VENDORED, Parts
from millpond.base.config import CHECKOUT
from millpond.toolchain.wheels import LAMBDA, read_lock

WHEELS = CHECKOUT / ".millpond" / "wheels"


@contextmanager
def lambda_modules(name: str, *modules: str) -> Iterator[SimpleNamespace]:
    """The named modules of a function; its parts and wheels are on the path meanwhile."""
    needs_wheels = FUNCTIONS.get(name, Parts()).has_wheels
    locked = read_lock(CHECKOUT / VENDORED, LAMBDA) if needs_wheels else []
    kept = sorted(WHEELS.glob("*.whl"))
    wheels = [str(path) for path in kept if any(one.is_named_by(path.name) for one in locked)]
    if len(wheels) < len(locked):
        pytest.skip(f"{WHEELS} lacks wheels: millpond doctor keeps them there")
    folders = [CHECKOUT / "lambdas" / name, CHECKOUT / "lambdas/shared", CHECKOUT / "glue_jobs"]
    before, path = set(sys.modules), list(sys.path)
    sys.path[:0] = [*map(str, folders), *wheels]
    importlib.invalidate_caches()
    try:
        yield SimpleNamespace(**{module: importlib.import_module(module) for module in modules})
    finally:
        sys.path[:] = path
        for loaded in set(sys.modules) - before:
            location = getattr(sys.modules[loaded], "__file__", None) or ""
            if location.startswith((str(CHECKOUT / "lambdas"), str(CHECKOUT / "glue_jobs"), str(WHEELS))):
                del sys.modules[loaded]
