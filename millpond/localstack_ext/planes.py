"""The planes of this engine: one of each, made when first asked for and closed with the engine."""

from __future__ import annotations

import importlib.util
from functools import cache

from millpond.localstack_ext.dispatch import Plane
from millpond.planes.context import PlaneContext


@cache
def context() -> PlaneContext:
    """What the harness told this engine of its stack."""
    return PlaneContext.from_environment()


@cache
def glue() -> Plane | None:
    if importlib.util.find_spec("millpond.planes.glue") is None:
        return None
    module = importlib.import_module("millpond.planes.glue")
    return module.GluePlane(context()) if hasattr(module, "GluePlane") else None


@cache
def athena() -> Plane | None:
    if importlib.util.find_spec("millpond.planes.athena") is None:
        return None
    module = importlib.import_module("millpond.planes.athena")
    return module.AthenaPlane(context()) if hasattr(module, "AthenaPlane") else None
