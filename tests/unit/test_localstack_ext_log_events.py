"""Log events on disk: pages, times, retention, and what memory and a saved state hold of them."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.logs.exceptions import InvalidParameterException
from moto.logs.models import LogGroup, logs_backends

from millpond.localstack_ext.logs import events
from millpond.localstack_ext.logs.events import StoredLogStream

ACCOUNT, REGION = "000000000000", "eu-west-1"


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[StoredLogStream]:
    events.open_store(tmp_path)
    group = LogGroup(ACCOUNT, REGION, "jobs")
    group.streams["one"] = StoredLogStream(group, "one")
    backend = logs_backends[ACCOUNT][REGION]
    backend.groups["jobs"] = group
    yield group.streams["one"]
    events.store().forget()
    del backend.groups["jobs"]


def put(stream: StoredLogStream, *messages: str, begin: int = 1_000) -> None:
    stream.put_log_events(
        [{"timestamp": begin + i, "message": message} for i, message in enumerate(messages)]
    )


def read(
    stream: StoredLogStream, token: str | None = None, limit: int | None = None, head: bool = True
) -> tuple[list[str], str | None, str | None]:
    events, back, forth = stream.get_log_events(None, None, limit, token, head)
    return [event["message"] for event in events], back, forth


def test_pages_go_forth_and_back_and_the_last_token_stays(stream: StoredLogStream) -> None:
    put(stream, *"abcdefg")
    first, _, token = read(stream, limit=3)
    second, back, token = read(stream, token, limit=3)
    third, _, token = read(stream, token, limit=3)
    assert (first, second, third) == (["a", "b", "c"], ["d", "e", "f"], ["g"])
    assert read(stream, token, limit=3) == ([], f"b/{7:056d}", token)
    assert read(stream, back, limit=3)[0] == ["a", "b", "c"]
    assert read(stream, limit=2, head=False)[0] == ["f", "g"]


def test_what_follows_an_empty_stream_is_found_by_its_token(stream: StoredLogStream) -> None:
    none, _, token = read(stream)
    put(stream, "a")
    assert (none, read(stream, token)[0]) == ([], ["a"])


@pytest.mark.parametrize("token", ["", "x/1", "f/", "f/a", "f/" + "9" * 56])
def test_token_that_is_none_is_refused(stream: StoredLogStream, token: str) -> None:
    with pytest.raises(InvalidParameterException):
        read(stream, token)


def test_page_has_a_megabyte_and_at_least_one_event(stream: StoredLogStream) -> None:
    put(stream, "a" * 600_000, "b" * 600_000, "c" * 2_000_000)
    assert [len(message) for message in read(stream)[0]] == [600_000]
    assert [len(message) for message in read(stream, head=False)[0]] == [2_000_000]


def test_times_are_by_the_event_and_their_end_is_part_of_a_search_alone(stream: StoredLogStream) -> None:
    put(stream, "late", begin=3_000)
    put(stream, "early", begin=2_000)
    assert read(stream)[0] == ["early", "late"]
    assert [event["message"] for event in stream.get_log_events(2_000, 3_000, None, None, True)[0]] == [
        "early"
    ]
    events = stream.filter_log_events(2_000, 3_000, None)
    assert [(event["message"], event["logStreamName"]) for event in events] == [
        ("early", "one"),
        ("late", "one"),
    ]
    described = stream.to_describe_dict()
    assert (described["firstEventTimestamp"], described["lastEventTimestamp"]) == (2_000, 3_000)


def test_thousands_of_one_moment_are_found_each_once(stream: StoredLogStream) -> None:
    stream.put_log_events([{"timestamp": 5, "message": str(number)} for number in range(2_500)])
    assert [event.message for event in stream.events] == [str(number) for number in range(2_500)]
    assert len(stream.events) == 2_500


def test_what_cannot_be_kept_leaves_nothing_and_the_next_is_kept(stream: StoredLogStream) -> None:
    with pytest.raises(UnicodeEncodeError):
        put(stream, "a", "\ud800")
    put(stream, "b")
    assert read(stream)[0] == ["b"]


def test_events_past_their_retention_and_of_streams_that_are_gone_are_forgotten(
    stream: StoredLogStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "TIDY_EVERY", 0.0)
    gone = StoredLogStream(stream.log_group, "gone")
    put(gone, "x")
    stream.log_group.retention_in_days = "1"
    put(stream, "old")
    put(stream, "new", begin=int(time.time() * 1000))
    assert read(stream)[0] == ["new"]
    assert events.store().ask("SELECT count(*) FROM events") == [(1,)]


def test_a_copy_and_a_saved_state_hold_no_events(stream: StoredLogStream) -> None:
    put(stream, "secret" * 1_000)
    kept = pickle.dumps(copy.deepcopy(stream.events))
    assert len(kept) < 500
    assert [event.message for event in pickle.loads(kept)] == ["secret" * 1_000]
