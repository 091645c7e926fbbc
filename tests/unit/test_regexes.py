"""Regular expressions of users, wherever they are asked: bounded in time, and refused by name."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millpond.localstack_ext.cloudformation.parameters import ParameterProblem, check
from millpond.localstack_ext.logs import patterns
from millpond.localstack_ext.stepfunctions import jsonata
from millpond.planes.codebuild.buildspec import parse_on_failure
from millpond.planes.codebuild.exceptions import BuildspecError
from millpond.planes.common import regexes
from millpond.planes.common.regexes import Regex, RegexError
from millpond.planes.glue.catalog.databases import name_filter
from millpond.planes.glue.crawlers.grok import grok_pattern
from millpond.planes.glue.exceptions import InvalidInputException

BOMB = "(a|aa)+$"
# RE2 does not read it, and it is as bad.
LOOKING_BOMB = "(?=a)(a|aa)+$"
TEXT = "a" * 60 + "!"


@pytest.mark.parametrize(
    ("ask", "refusal"),
    [
        pytest.param(
            lambda bomb: patterns.parse(f"%{bomb}%").match(TEXT), patterns.InvalidPatternError, id="logs"
        ),
        pytest.param(
            lambda bomb: Regex(parse_on_failure(f"RETRY-{bomb}").pattern).search(TEXT),
            BuildspecError,
            id="build",
        ),
        pytest.param(lambda bomb: name_filter(bomb)(TEXT), InvalidInputException, id="glue"),
        pytest.param(lambda bomb: grok_pattern(bomb)[0].search(TEXT), RegexError, id="grok"),
        pytest.param(
            lambda bomb: jsonata.evaluate(f"$contains('{TEXT}', /{bomb}/)", {}),
            jsonata.QueryError,
            id="jsonata",
        ),
    ],
)
@pytest.mark.parametrize("bomb", [BOMB, LOOKING_BOMB], ids=["linear", "looking"])
def test_expression_that_explodes_ends_soon(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[str], Any], refusal: type[Exception], bomb: str
) -> None:
    monkeypatch.setattr(regexes, "MOST_SECONDS", 0.2)
    began = time.monotonic()
    if bomb == BOMB:
        ask(bomb)
    else:
        with pytest.raises(refusal):
            ask(bomb)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("pattern", [BOMB, LOOKING_BOMB, "(", "a{1000}{1000}{1000}"])
def test_parameter_of_a_template_that_explodes_or_does_not_fit_is_refused(
    monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr(regexes, "MOST_SECONDS", 0.2)
    template = {"Parameters": {"P": {"Type": "String", "AllowedPattern": pattern}}}
    with pytest.raises(ParameterProblem):
        check(template, {"P": TEXT})


@pytest.mark.parametrize(
    "expression",
    ["$range(0, 1000000000, 1)", "[1..10000000]", "$sum([1..10000000])", "$pad('x', 1000000000)"],
)
def test_jsonata_that_makes_more_than_a_state_holds_is_refused(expression: str) -> None:
    with pytest.raises(jsonata.QueryError, match="at most 262144"):
        jsonata.evaluate(expression, {})


def test_jsonata_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonata, "MOST_MILLISECONDS", 200)
    with pytest.raises(jsonata.QueryError, match="timeout"):
        jsonata.evaluate("($f := function(){ $f() }; $f())", {})


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_escaped_text_finds_itself(text: str, around: str) -> None:
    match = Regex(re.escape(text), "s").search(around + text)
    assert match is not None
    assert match.group() == text


def test_halves_of_characters_are_searched() -> None:
    assert Regex("b$").search("a\ud800b") is not None


@pytest.mark.parametrize("pattern", ["(b)", "(?=b)(b)"])
def test_template_names_a_group_that_there_is_not(pattern: str) -> None:
    with pytest.raises(re.error, match="invalid group reference 12 at position"):
        Regex(pattern, backtracks=True).sub(r"\g<12>", "abc")
    assert Regex(pattern, backtracks=True).sub(r"[\g<1>]", "abc") == "a[b]c"
