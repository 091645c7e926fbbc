"""What every operation does with its request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from millpond.planes.glue.exceptions import EntityNotFoundException, InvalidInputException

Request = Mapping[str, Any]
Shape = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


def required(request: Request, member: str) -> Any:
    """A member of the request.

    Raises
    ------
    InvalidInputException
        If it is missing.
    """
    value = request.get(member)
    if value is None or value == "":
        raise InvalidInputException(f"{member} must not be null or empty")
    return value


def found[Stored](store: Mapping[str, Stored], name: str, message: str) -> Stored:
    """What is stored by that name.

    Raises
    ------
    EntityNotFoundException
        With that message, if there is nothing.
    """
    if name not in store:
        raise EntityNotFoundException(message)
    return store[name]


def chosen(request: Request, *members: str) -> Shape:
    """Those members that the request has."""
    return {member: request[member] for member in members if request.get(member) is not None}
