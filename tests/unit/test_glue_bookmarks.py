"""Bookmarks of jobs: what a run is told, what it keeps, and what a reset leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from millpond.planes.glue.bookmarks import JobBookmarks
from millpond.planes.glue.exceptions import EntityNotFoundException, LaunchError
from millpond.planes.glue.runs import JobRun

PAUSED = {"job_bookmark_option": "job-bookmark-pause"}


def run(run_id: str, **arguments: str) -> JobRun:
    given = {f"--{name.replace('_', '-')}": value for name, value in arguments.items()}
    return JobRun(run_id, {"Name": "job"}, given, {}, datetime.now(UTC))


def read_to(bookmarks: JobBookmarks, *days: int) -> None:
    for day in days:
        bookmarks.note(run(f"jr_{day}"), {"source": day})


def test_each_run_is_told_what_the_last_one_committed() -> None:
    bookmarks = JobBookmarks()
    assert bookmarks.given_to(run("jr_1")) == {"states": {}}
    read_to(bookmarks, 1, 2)
    assert bookmarks.given_to(run("jr_3")) == {"states": {"source": 2}}
    entry = bookmarks.get("job")
    assert json.loads(entry.pop("JobBookmark")) == {"source": 2}
    expected: dict[str, Any] = {"JobName": "job", "Version": 2, "Run": 2, "Attempt": 0}
    assert entry == {**expected, "RunId": "jr_2", "PreviousRunId": "jr_1"}


def test_run_that_commits_nothing_counts_and_what_was_read_stays() -> None:
    bookmarks = JobBookmarks()
    read_to(bookmarks, 1)
    bookmarks.note(run("jr_2"), None)
    assert (bookmarks.get("job")["Run"], bookmarks.given_to(run("jr_3"))) == (
        2,
        {"states": {"source": 1}},
    )


def test_reset_forgets_all_or_what_was_read_after_a_run() -> None:
    bookmarks = JobBookmarks()
    read_to(bookmarks, 1, 2, 3)
    rewound = bookmarks.reset("job", "jr_2")
    assert (rewound["Version"], rewound["RunId"], json.loads(rewound["JobBookmark"])) == (
        4,
        "jr_2",
        {"source": 2},
    )
    assert bookmarks.given_to(run("jr_4")) == {"states": {"source": 2}}
    assert (bookmarks.reset("job")["Run"], bookmarks.reset("job")["Version"]) == (0, 6)
    assert bookmarks.given_to(run("jr_5")) == {"states": {}}
    with pytest.raises(EntityNotFoundException):
        bookmarks.reset("job", "jr_none")
    bookmarks.forget("job")
    with pytest.raises(EntityNotFoundException):
        bookmarks.get("job")


def test_paused_run_is_told_the_two_runs_that_it_reads_between() -> None:
    bookmarks = JobBookmarks()
    read_to(bookmarks, 1, 2, 3)
    between = {"job_bookmark_from": "jr_1", "job_bookmark_to": "jr_2"}
    assert bookmarks.given_to(run("jr_4", **PAUSED, **between)) == {
        "states": {"source": 1},
        "ends": {"source": 2},
    }
    assert bookmarks.given_to(run("jr_4", **PAUSED)) == {"states": {"source": 3}}
    for wrong in ({"job_bookmark_from": "jr_1"}, {**between, "job_bookmark_to": "jr_9"}):
        with pytest.raises(LaunchError, match="job-bookmark-to"):
            bookmarks.given_to(run("jr_4", **PAUSED, **wrong))
