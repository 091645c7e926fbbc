"""``millpond tail``."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json
from millpond.client import stream
from millpond.client.stream import Record

_BAD_STATES = frozenset({"FAILED", "FAULT", "TIMED_OUT", "TIMEOUT", "ERROR", "ALARM", "ABORTED", "Failed"})


class Kind(StrEnum):
    """What a record tells of."""

    CALL = "call"
    STATE = "state"
    EVENT = "event"


def tail(
    service: Annotated[
        list[str] | None, typer.Option(help="Only of this service, such as glue; may be repeated.")
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(help="Only calls, changes of state, or other events; may be repeated."),
    ] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only calls that were refused, and what has failed.")
    ] = False,
    last: Annotated[int, typer.Option(min=0, help="So many of what was before.")] = 10,
    once: Annotated[
        bool, typer.Option("--once", help="Show what was before, and wait for nothing more.")
    ] = False,
    show_all: Annotated[
        bool, typer.Option("--all", help="Calls that services make for themselves, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show calls and events as they happen, until Ctrl-C."""
    settings = load_settings()
    services, kinds = set(service or ()), set(kind or ())

    def is_wanted(record: Record) -> bool:
        return (
            (show_all or not record.get("is_own"))
            and (not kinds or record["kind"] in kinds)
            and (not services or service_of(record) in services)
            and (not errors or is_bad(record))
        )

    show: Callable[[Record], None] = _print_json if as_json else _print
    for record in _chosen(settings.endpoint_url, is_wanted, last, once):
        show(record)


def service_of(record: Record) -> str:
    """The service that a record is of; of an event the end of its source, without ``aws.``."""
    return str(record["service"] if "service" in record else record["source"].removeprefix("aws."))


def is_bad(record: Record) -> bool:
    """Whether a record tells of something that was refused or has failed."""
    if record["kind"] == "call":
        return bool(record["status"] >= 400)
    return record["kind"] == "state" and record["state"] in _BAD_STATES


def _chosen(
    endpoint_url: str, is_wanted: Callable[[Record], bool], last: int, once: bool
) -> Iterator[Record]:
    before = list(stream.records(endpoint_url, is_followed=False))
    yield from deque(filter(is_wanted, before), maxlen=last)
    if once:
        return
    after = before[-1]["number"] if before else 0
    yield from filter(is_wanted, stream.records(endpoint_url, is_followed=True, after=after))


def _print_json(record: Record) -> None:
    console.out.print(json.dumps(record), markup=False, highlight=False)


def _print(record: Record) -> None:
    line = Text(f"{record['time'][11:23]} ", style="dim")
    line.append(*_SENTENCES[record["kind"]](record))
    console.out.print(line, highlight=False)


def _of_call(call: Mapping[str, Any]) -> tuple[str, str]:
    ended = f"{call['status']} {call['error']}".rstrip()
    text = (
        f"{call['service']} {call['operation']}  {ended}  {call['milliseconds']:,.0f} ms"
        f"  {_short(call['resource'])}  {_who(call['caller'])}"
    )
    message = f"\n             {call['message']}" if call["message"] else ""
    return text.rstrip() + message, "red" if is_bad(call) else ""


def _of_state(change: Mapping[str, Any]) -> tuple[str, str]:
    text = f"{change['service']} {change['of']} {change['name']} {change['state']}  {_short(change['id'])}"
    message = f"\n             {change['message']}" if change["message"] and is_bad(change) else ""
    return text.rstrip() + message, "bold red" if is_bad(change) else "bold"


def _of_event(event: Mapping[str, Any]) -> tuple[str, str]:
    return f"{event['source']} {event['detail_type']}  {json.dumps(event['detail'])}", "cyan"


def _short(arn: str) -> str:
    """An ARN without partition, service, region and account."""
    return arn.split(":", 5)[5] if arn.startswith("arn:") else arn


def _who(arn: str) -> str:
    """A caller as short as it is told apart; the root of an account is nobody in particular."""
    return "" if arn.endswith(":root") else f"by {_short(arn)}"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, str]]] = {
    "call": _of_call,
    "state": _of_state,
    "event": _of_event,
}
