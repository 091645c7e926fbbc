"""Rulesets of DQDL as our ``awsgluedq`` reads them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from millpond.base.config import CHECKOUT


@pytest.fixture(scope="module")
def dqdl() -> Iterator[Any]:
    sys.path.insert(0, str(CHECKOUT / "glue_runtime"))
    yield importlib.import_module("awsgluedq.dqdl")
    sys.path.remove(str(CHECKOUT / "glue_runtime"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "awsgluedq"]:
        del sys.modules[name]


def rule_of(dqdl: Any, rule: str) -> Any:
    (parsed,) = dqdl.parse(f"Rules = [ {rule} ]").rules
    return parsed


@pytest.mark.parametrize(
    ("rule", "name", "parameters", "operator", "operands"),
    [
        ('IsComplete "order-id"', "IsComplete", ("order-id",), None, None),
        ("RowCount > 100", "RowCount", (), ">", (100,)),
        ('Completeness "c" between 0.5 and 1.0', "Completeness", ("c",), "between", (0.5, 1.0)),
        ('ColumnValues "c" in ["a", "b,c"]', "ColumnValues", ("c",), "in", ("a", "b,c")),
        (r'ColumnValues "c" matches "[a-z]\d+"', "ColumnValues", ("c",), "matches", (r"[a-z]\d+",)),
        ('ColumnCorrelation "a" "b" <= -0.5', "ColumnCorrelation", ("a", "b"), "<=", (-0.5,)),
    ],
)
def test_rule(dqdl: Any, rule: str, name: str, parameters: Any, operator: Any, operands: Any) -> None:
    parsed = rule_of(dqdl, rule)
    assert (parsed.name, parsed.parameters, parsed.text) == (name, parameters, rule)
    if operator is None:
        assert parsed.expression is None
    else:
        assert (parsed.expression.operator, parsed.expression.operands) == (operator, operands)


def test_keywords_times_thresholds_conditions_and_labels(dqdl: Any) -> None:
    rule = rule_of(
        dqdl,
        'ColumnValues "c" not in ["a", NULL] with threshold > 0.9 where "d = \'x\'" labels=["team=lake"]',
    )
    assert rule.expression == dqdl.Expression("in", ("a", dqdl.Keyword("NULL")), is_negated=True)
    assert (rule.threshold.operands, rule.where, rule.labels) == ((0.9,), "d = 'x'", (("team", "lake"),))
    assert rule_of(dqdl, 'DataFreshness "d" <= 3 days').expression.operands == (dqdl.Duration(259200),)
    assert rule_of(dqdl, 'ColumnValues "d" > (now() - 2 hours)').expression.operands == (dqdl.Now(-7200),)


def test_rules_are_composed_and_comments_are_none(dqdl: Any) -> None:
    rule = rule_of(
        dqdl,
        '(RowCount > 0) or # a comment, [ with ] signs\n ((IsComplete "a") and (IsUnique "a"))',
    )
    assert (rule.operator, rule.parts[1].operator) == ("or", "and")
    assert rule.parts[1].parts[1].name == "IsUnique"
    assert len(dqdl.parse('Rules = [ RowCount > 1, IsComplete "a", ]').rules) == 2


@pytest.mark.parametrize(
    ("ruleset", "message"),
    [
        ("", "no rules"),
        ("Rules = [ RowCount > ]", "expected a value"),
        ("Rules = [ RowCount > 1", "ends where more is expected"),
        ("Rules = [ (RowCount > 1) and (RowCount > 2) or (RowCount > 3) ]", "parentheses"),
        ("Rule = [ RowCount > 1 ]", "expected Rules or Analyzers"),
        ("Rules = [ RowCount ~ 1 ]", "not of DQDL"),
    ],
)
def test_what_is_no_ruleset_says_where(dqdl: Any, ruleset: str, message: str) -> None:
    with pytest.raises(dqdl.DqdlError, match=message):
        dqdl.parse(ruleset)


def test_dynamic_rules_are_refused_by_name(dqdl: Any) -> None:
    with pytest.raises(NotImplementedError, match="dynamic rules"):
        dqdl.parse("Rules = [ RowCount > avg(last(3)) ]")
