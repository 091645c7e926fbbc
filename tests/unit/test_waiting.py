"""Waiting with a deadline, and what makes every deadline longer."""

from __future__ import annotations

import pytest

from millpond.base.errors import MillpondError
from millpond.base.waiting import SCALE, DeadlinePassed, scaled, wait_until


def test_the_answer_is_returned_once_there_is_one() -> None:
    answers = iter([None, "", [], "yes", "not asked"])
    assert wait_until("answer", lambda: next(answers), pause=0) == "yes"
    assert next(answers) == "not asked"


def test_a_deadline_that_passed_says_what_was_waited_for_and_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SCALE, "1000")
    with pytest.raises(DeadlinePassed, match="no engine within 1 seconds"):
        wait_until("engine", lambda: None, 0.001, pause=0.01)


def test_what_the_probe_raises_ends_the_waiting() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until("answer", lambda: 1 // 0)


@pytest.mark.parametrize("value", ["", "three", "0", "-1", "inf", "nan"])
def test_a_scale_that_is_no_positive_number_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(SCALE, value)
    with pytest.raises(MillpondError, match=SCALE):
        scaled(1)


@pytest.mark.timeout(77)
def test_a_test_may_take_as_long_as_its_marker_says_times_the_scale(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("timeout").args == (scaled(77),)


def test_a_test_without_a_marker_may_take_what_pyproject_says_times_the_scale(
    request: pytest.FixtureRequest,
) -> None:
    seconds = float(request.config.getini("timeout"))
    assert request.node.get_closest_marker("timeout").args == (scaled(seconds),)
