"""A service in every account and region: AWS keeps a service's state apart in each, and so does a plane."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.state import put_back, settle, state_of


class _Plane(Protocol):
    def close(self) -> None: ...


class Planes[Plane: _Plane]:
    """The planes of one service, one for each account and region that was asked for.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    make : callable
        Makes the plane of a context.
    close_shared : callable
        Ends what the planes share, once they are closed.
    """

    def __init__(
        self,
        context: PlaneContext,
        make: Callable[[PlaneContext], Plane],
        close_shared: Callable[[], None] = lambda: None,
    ) -> None:
        self._context = context
        self._make = make
        self._close_shared = close_shared
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Plane] = {}

    def of(self, account_id: str, region: str) -> Plane:
        """The plane of an account and a region, made when first asked for."""
        key = account_id, region
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(self._context.at(account_id, region))
            return self._made[key]

    def state(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What of each plane survives a restart, by its account and region."""
        with self._lock:
            made = dict(self._made)
        return {key: state_of(plane) for key, plane in made.items()}

    def load(self, state: dict[tuple[str, str], dict[str, Any]]) -> None:
        """Bring back what :meth:`state` gave, and end what was running."""
        for (account_id, region), kept in state.items():
            plane = self.of(account_id, region)
            put_back(plane, kept)
            settle(plane)

    def forget(self) -> None:
        """Close every plane and begin with none; what they share goes on."""
        with self._lock:
            planes, self._made = list(self._made.values()), {}
        _close(planes)

    def close(self) -> None:
        """Close every plane, side by side since each may wait for its processes, then what they share."""
        with self._lock:
            planes = list(self._made.values())
        _close(planes)
        self._close_shared()


def _close(planes: Sequence[_Plane]) -> None:
    with ThreadPoolExecutor(thread_name_prefix="closing") as threads:
        for closing in [threads.submit(plane.close) for plane in planes]:
            closing.result()
