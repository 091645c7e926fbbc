"""In whose name a plane answers: what it does for a request after it has answered is done as its caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Stands in the user agent of calls that the services of this engine make for themselves.
OWN_CALLS = "millpond-own"
# A header of the calls that are made for a query of Athena: its id.
QUERY = "x-millpond-query"

_KEY: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def acting_as(access_key_id: str) -> Iterator[None]:
    """While a request is answered, its caller.

    Parameters
    ----------
    access_key_id : str
        Of a session or a user; the number of the account for everybody else.
    """
    token = _KEY.set(access_key_id)
    try:
        yield
    finally:
        _KEY.reset(token)


def caller_key(account_id: str) -> str:
    """The access key id of the caller whose request is answered; that of the account where there is none."""
    return _KEY.get() or account_id
