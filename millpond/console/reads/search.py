"""Everything that has a name, to be found by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from millpond.client.aws import Aws
from millpond.client.listing import KINDS
from millpond.console.reads import lake

MOST = 30


@dataclass(frozen=True)
class Thing:
    """Something with a name.

    Parameters
    ----------
    kind : str
        ``job``, ``state machine``, ``function``, ``table``, ``bucket``.
    name : str
        Its name.
    link : str
        The page that shows most of it.
    """

    kind: str
    name: str
    link: str


def _runs_of(kind: str, name: str) -> str:
    return f"/runs?{urlencode({'kind': kind, 'text': name})}"


def _tables(aws: Aws) -> Iterator[Thing]:
    return (Thing("table", f"{one.database}.{one.name}", one.link) for one in lake.entries(aws))


def _named(
    kind: str, column: str, shown: str, link: Callable[[str], str]
) -> Callable[[Aws], Iterator[Thing]]:
    def listed(aws: Aws) -> Iterator[Thing]:
        return (Thing(shown, one[column], link(one[column])) for one in KINDS[kind].list(aws))

    return listed


_LISTINGS: Mapping[str, Callable[[Aws], Iterator[Thing]]] = {
    "jobs": _named("jobs", "name", "job", lambda name: _runs_of("job", name)),
    "state machines": _named(
        "state-machines", "name", "state machine", lambda name: _runs_of("execution", name)
    ),
    "tables": _tables,
    "buckets": _named("buckets", "bucket", "bucket", lambda name: f"/bucket?{urlencode({'name': name})}"),
}


def things(aws: Aws) -> list[Thing]:
    """Everything that has a page, as far as the services tell."""
    found: list[Thing] = []
    for listing in _LISTINGS.values():
        try:
            found += listing(aws)
        except (ClientError, BotoCoreError):
            # The pages themselves say what refuses: here is what can be found.
            continue
    return found


def found(all_of_them: Sequence[Thing], wanted: str) -> list[Thing]:
    """What has all the words in its name or kind; what begins with the first of them comes first.

    >>> [one.name for one in found([Thing("job", "my load", ""), Thing("job", "load", "")], "load")]
    ['load', 'my load']
    """
    words = wanted.casefold().split()
    if not words:
        return []
    matching = [
        one for one in all_of_them if all(word in f"{one.kind} {one.name}".casefold() for word in words)
    ]
    return sorted(
        matching, key=lambda one: (not one.name.casefold().startswith(words[0]), len(one.name), one.name)
    )[:MOST]
