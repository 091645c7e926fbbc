"""Job arguments, as ``getResolvedOptions`` of the Glue documentation resolves them."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn, Sequence

# What Glue itself puts among the arguments of a run, and what they are when it does not.
_GIVEN_BY_GLUE = {
    "job-bookmark-option": "job-bookmark-disable",
    "job-bookmark-from": None,
    "job-bookmark-to": None,
    "JOB_ID": None,
    "JOB_RUN_ID": None,
    "SECURITY_CONFIGURATION": None,
    "encryption-type": None,
    "enable-data-lineage": None,
    "RedshiftTempDir": None,
    "TempDir": None,
}
# Scripts may ask for these two by name like for any argument of their own.
_MAY_BE_ASKED_FOR = {"RedshiftTempDir", "TempDir"}


class GlueArgumentError(Exception):
    """An argument of the job is missing or malformed; the message is argparse's."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, Any]:
    """Resolve the arguments of a job run by name, with argparse's rules.

    Parameters
    ----------
    args : sequence of str
        Usually ``sys.argv``. What is not asked for is ignored.
    options : sequence of str
        Names without the leading hyphens. Each is required. As argparse has it, ``--name=value`` works,
        a unique abbreviation works, the last of several values wins, and ``-`` in a name is ``_`` in the
        answer.

    Returns
    -------
    dict
        The values by name, and what Glue adds to every run (``JOB_RUN_ID``, ``TempDir`` …).

    Raises
    ------
    GlueArgumentError
        If an option is missing or has no value.
    RuntimeError
        If a name is asked for that Glue reserves.

    Examples
    --------
    >>> getResolvedOptions(["job.py", "--table", "orders"], ["table"])["table"]
    'orders'
    """
    reserved = sorted(set(options) & (set(_GIVEN_BY_GLUE) - _MAY_BE_ASKED_FOR))
    if reserved:
        raise RuntimeError(f"Using reserved arguments {', '.join(reserved)}")
    parser = _Parser(add_help=False)
    for name in options:
        parser.add_argument(f"--{name}", required=True)
    for name, default in _GIVEN_BY_GLUE.items():
        if name not in options:
            parser.add_argument(f"--{name}", default=default)
    resolved, _ = parser.parse_known_args(list(args))
    return vars(resolved)
