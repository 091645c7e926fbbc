"""``format``."""

from __future__ import annotations

from collections.abc import Sequence

from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.kernels import Kernel
from millpond.planes.athena.kernels.formatter import formatter
from millpond.planes.athena.relations import Typed
from millpond.planes.athena.types import TIMESTAMP_TZ, UNKNOWN, VARCHAR


def formatted(given: Sequence[Typed]) -> str:
    """The call of ``format``.

    Raises
    ------
    QueryFailed
        ``NOT_SUPPORTED`` for a value that it does not take.
    """
    types = [argument.type for argument in given[1:]]
    for type_ in types:
        if type_.elements or type_.name == "varbinary":
            raise QueryFailed("NOT_SUPPORTED", f"Type not supported for formatting: {type_}")
        if type_.name == TIMESTAMP_TZ:
            raise NotSupported("A timestamp with time zone in a format")
    key = ",".join(str(type_) for type_ in types if type_ != UNKNOWN)
    kernel = Kernel(formatter(types), (VARCHAR, *types), VARCHAR, takes_null=True, key=key)
    return kernel.sql([argument.sql for argument in given])
