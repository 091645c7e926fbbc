"""What of a plane survives a restart of the engine.

Whatever holds state names the attributes that have it in ``KEPT``: dictionaries, lists and sets of plain data
and dataclasses, or others that hold state. All else of it (locks, threads, clients, runs) is made anew::

    class Crawlers:
        KEPT = ("_crawlers", "_schedules")

        def settle(self) -> None:
            \"\"\"End what the engine that stopped was doing, as AWS ends it.\"\"\"

``settle`` is called once everything is back; who runs nothing needs none. Attributes of a plane that hold
state and are not kept fail ``tests/unit/test_planes_state.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

ENDED = "The engine stopped while it ran."
"""Reason of everything that ends because the engine did."""

_Container = dict[Any, Any] | list[Any] | set[Any]


def state_of(holder: Any) -> dict[str, Any]:
    """What of a holder survives: name of an attribute → the object itself, not a copy."""
    return {name: _kept(getattr(holder, name)) for name in holder.KEPT}


def put_back(holder: Any, state: dict[str, Any]) -> None:
    """Fill a holder with what :func:`state_of` gave of another one.

    What it already has stays where it is filled, so that others who know its containers see the same. A name
    that the state lacks is as new.
    """
    for name in holder.KEPT:
        if name not in state:
            continue
        current = getattr(holder, name)
        if hasattr(current, "KEPT"):
            put_back(current, state[name])
        elif isinstance(current, (dict, list, set)):
            _refill(current, state[name])
        else:
            setattr(holder, name, state[name])


def settle(holder: Any) -> None:
    """Tell a holder and what it holds that everything is back."""
    for holding in _holders(holder):
        end: Callable[[], None] | None = getattr(holding, "settle", None)
        if end is not None:
            end()


def _kept(value: Any) -> Any:
    return state_of(value) if hasattr(value, "KEPT") else value


def _holders(holder: Any) -> Iterator[Any]:
    for name in holder.KEPT:
        if hasattr(value := getattr(holder, name), "KEPT"):
            yield from _holders(value)
    yield holder


def _refill(current: _Container, saved: Any) -> None:
    current.clear()
    if isinstance(current, list):
        current.extend(saved)
    else:
        current.update(saved)
