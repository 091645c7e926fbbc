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
from millpond.toolchain.wheels import kept_wheels

WHEELS = CHECKOUT / ".millpond" / "wheels"


@contextmanager
def lambda_modules(name: str, *modules: str) -> Iterator[SimpleNamespace]:
    """The named modules of a function; its parts and wheels are on the path meanwhile."""
    needs_wheels = FUNCTIONS.get(name, Parts()).has_wheels
    kept = kept_wheels(CHECKOUT / VENDORED, WHEELS)
    if needs_wheels and not kept.is_dir():
        pytest.skip(f"{WHEELS} lacks wheels: millpond doctor keeps them there")
    wheels = sorted(map(str, kept.glob("*.whl"))) if needs_wheels else []
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
