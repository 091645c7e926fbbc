"""The error of a call to a part of the API that Millpond does not have."""

from __future__ import annotations

from typing import NoReturn


def refuse(name: str, term: str = "") -> NoReturn:
    """Raise for a call that cannot be answered here.

    Parameters
    ----------
    name : str
        What the script called, for example ``FindMatches``.
    term : str
        What of it, in the words of the Glue Developer Guide, when it is not the whole.

    Raises
    ------
    NotImplementedError
        Always: a script never gets an answer that AWS would not have given.
    """
    what = f"{name}: {term}" if term else name
    raise NotImplementedError(f"{what} is not available in Millpond; it runs only on AWS Glue")
