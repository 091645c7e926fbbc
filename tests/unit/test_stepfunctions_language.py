"""The small languages of state machines: intrinsic functions, JSONata, definitions."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from millpond.localstack_ext.stepfunctions import intrinsics, jsonata
from millpond.localstack_ext.stepfunctions.definitions import problems
from millpond.localstack_ext.stepfunctions.errors import matches
from millpond.localstack_ext.stepfunctions.timestamps import local, timestamp

INPUT = {
    "$": {"id": 123},
    "$.name": "Ann",
    "$.none": None,
    "$.array": [1, 2, 3, 4, 5, 6, 7, 8, 9],
    "$.twice": [1, 2, 3, 3, 3, 3, 3, 3, 4],
    "$.json1": {"a": {"a1": 1, "a2": 2}, "b": 2},
    "$.json2": {"a": {"a3": 1, "a4": 2}, "c": 3},
    "$.text": '{"number": 20}',
    "$.template": r"Hello \{{}\}",
    "$$.Execution.Id": "arn:aws:states:eu-west-1:1:execution:m:e",
    "$.rows[?(@.name == 'a,)')]": [{"name": "a,)"}],
    "$variable": "v",
}


# The examples of "Intrinsics for JSONPath states" in the developer guide, then what is special about each.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("States.Array($.name)", ["Ann"]),
        ("States.Array('Foo', 2020, $.json2, null)", ["Foo", 2020, INPUT["$.json2"], None]),
        ("States.Array()", []),
        ("States.ArrayPartition($.array, 4)", [[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
        ("States.ArrayContains($.array, 5)", True),
        ("States.ArrayContains($.array, true)", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(9, 1, -4)", [9, 5, 1]),
        ("States.ArrayLength(States.ArrayRange(1, 1000, 1))", 1000),
        ("States.ArrayGetItem($.array, 5)", 6),
        ("States.ArrayLength($.array)", 9),
        ("States.ArrayUnique($.twice)", [1, 2, 3, 4]),
        ("States.Base64Encode('Data to encode')", "RGF0YSB0byBlbmNvZGU="),
        ("States.Base64Decode('RGVjb2RlZCBkYXRh')", "Decoded data"),
        ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.JsonMerge($.json1, $.json2, false)", {"a": {"a3": 1, "a4": 2}, "b": 2, "c": 3}),
        ("States.StringToJson($.text)", {"number": 20}),
        ("States.JsonToString($.json1)", '{"a":{"a1":1,"a2":2},"b":2}'),
        ("States.MathAdd(111, -1)", 110),
        ("States.MathAdd(1.5, 0)", 2),
        ("States.MathRandom(5, 6)", 5),
        ("States.StringSplit('This.is+a,test=string', '.+,=')", ["This", "is", "a", "test", "string"]),
        ("States.StringSplit(',,a,,b,', ',')", ["a", "b"]),
        ("States.Format('Hello, my name is {}.', $.name)", "Hello, my name is Ann."),
        (
            r"States.Format('it\'s \{{}\} of {}', 1, $$.Execution.Id)",
            f"it's {{1}} of {INPUT['$$.Execution.Id']}",
        ),
        (r"States.Format('a\\b {} {} {}', true, null, 1.5)", r"a\b true null 1.5"),
        ("States.Format($.template, 'x')", "Hello {x}"),
        ("States.Format('{}', $variable)", "v"),
        ("States.ArrayGetItem(States.StringSplit($$.Execution.Id, ':'), 3)", "eu-west-1"),
        ("States.ArrayLength($.rows[?(@.name == 'a,)')])", 1),
        ("  States.MathAdd( 1 ,\n 2 ) ", 3),
    ],
)
def test_intrinsic_function_has_its_documented_value(text: str, value: Any) -> None:
    result = intrinsics.parse(text).evaluate(INPUT.__getitem__)
    assert json.dumps(result) == json.dumps(value)


@pytest.mark.parametrize(
    "text",
    [
        "States.Unknown()",
        "States.UUID(1)",
        "States.Format('{}'",
        "States.Format('a' 'b')",
        "States.Format('a') more",
        "States.Array(nothing)",
        "States.Array(,)",
        "Format('a')",
        "States.ArrayLength(" * 12 + "$.array" + ")" * 12,
    ],
)
def test_what_is_no_intrinsic_function_is_not_read(text: str) -> None:
    with pytest.raises(intrinsics.IntrinsicError):
        intrinsics.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "States.ArrayRange(1, 1001, 1)",
        "States.ArrayRange(1, 5, 0)",
        "States.ArrayPartition($.array, 0)",
        "States.ArrayGetItem($.array, 9)",
        "States.ArrayLength($.name)",
        "States.Base64Decode('***')",
        "States.Format('{} {}', 1)",
        r"States.Format('\n')",
        "States.Format('{}', $.array)",
        "States.Hash('x', 'SHA-2')",
        "States.JsonMerge($.json1, $.json2, true)",
        "States.MathAdd(2147483647, 1)",
        "States.MathAdd('1', 1)",
        "States.MathRandom(6, 5)",
        "States.StringToJson('{')",
    ],
)
def test_intrinsic_function_fails_with_what_it_does_not_take(text: str) -> None:
    with pytest.raises(intrinsics.IntrinsicError):
        intrinsics.parse(text).evaluate(INPUT.__getitem__)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$sum($rows.n) / $count($rows)", 2),
        ("$rows[n > 1].n", 3),
        ("'say \"' & $text & '\"'", 'say "it\'s "so""'),
        ("$null", None),
        ("$partition([1, 2, 3, 4], 3)", [[1, 2, 3], [4]]),
        ("$range(0, 10, 5)", [0, 5, 10]),
        ("$hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("$random(7) = $random(7)", True),
        ("$length($uuid())", 36),
        ("$parse('{\"a\": [1, null]}').a", [1, None]),
        ("{'whole': 4 / 2, 'part': 1 / 4}", {"whole": 2, "part": 0.25}),
    ],
)
def test_jsonata_has_its_value_with_variables_bound(expression: str, value: Any) -> None:
    bound = {"rows": [{"n": 1}, {"n": 3}], "text": 'it\'s "so"', "null": None}
    assert json.dumps(jsonata.evaluate(expression, bound)) == json.dumps(value)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("$nowhere", "nothing"),
        ("1 +", "not valid"),
        ("1 / 0", "threw"),
        ("$eval('1')", "not supported"),
        ("$sum", "unsupported result type"),
        ("$range(1, 2, 0)", "step by 0"),
        ("$error('mine')", "mine"),
    ],
)
def test_jsonata_without_a_json_value_is_an_error(expression: str, message: str) -> None:
    with pytest.raises(jsonata.QueryError, match=message):
        jsonata.evaluate(expression, {})


def machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def choice(**comparison: Any) -> dict[str, Any]:
    rule = {"Variable": "$.a", "Next": "B", **comparison}
    return machine(A={"Type": "Choice", "Choices": [rule]}, B=PASS)


PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets", "End": True}
WAIT = {"Type": "Wait", "Seconds": 1, "End": True}
MAP = {
    "Type": "Map",
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        **machine(Inner=PASS),
    },
    "End": True,
}


@pytest.mark.parametrize(
    "definition",
    [
        machine(A={"Type": "Pass", "Next": "B"}, B={"Type": "Succeed"}),
        {"QueryLanguage": "JSONata", **machine(A={**PASS, "Assign": {"n": "{% $states.input.a + 1 %}"}})},
        machine(A={**PASS, "QueryLanguage": "JSONata", "Output": "{% 1 %}"}),
        machine(
            A={**PASS, "Parameters": {"x.$": r"States.Format('it\'s {}', $.a)", "y.$": "$$.Execution.Id"}}
        ),
        machine(
            A={
                "Type": "Choice",
                "Choices": [
                    {
                        "And": [
                            {"Variable": "$.a", "IsPresent": True},
                            {"Not": {"Variable": "$.a", "IsNull": True}},
                        ],
                        "Next": "B",
                    },
                ],
                "Default": "B",
            },
            B={"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{}', $.c)"},
        ),
        machine(
            A={
                **TASK,
                "Retry": [{"ErrorEquals": ["States.ALL"], "BackoffRate": 1.5, "JitterStrategy": "FULL"}],
            }
        ),
        machine(
            A={
                **MAP,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": 3},
                    "Parameters": {"Bucket": "b", "Key": "k"},
                },
                "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"x.$": "$.x"}},
                "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}},
                "ToleratedFailurePercentage": 50,
                "ToleratedFailureCount": 1,
                "Label": "L",
            }
        ),
    ],
)
def test_definition_that_is_whole_has_no_problem(definition: dict[str, Any]) -> None:
    assert problems(json.dumps(definition)) == []


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ({"StartAt": "B", "States": {"A": PASS}},
         "MISSING_TRANSITION_TARGET: Missing 'StartAt' target: B at /StartAt"),
        (machine(A={"Type": "Pass", "Next": "B"}), "Missing 'Next' target: B at /States/A/Next"),
        (machine(A={"Type": "Choice", "Choices": [], "Default": "B"}), "one rule at /States/A/Choices"),
        (machine(A={**TASK, "Catch": [{"ErrorEquals": ["E"], "Next": "B"}]}), "at /States/A/Catch[0]/Next"),
        (machine(A=PASS, B=PASS), 'State "B" is not reachable. at /States/B'),
        (machine(A={"Type": "Parallel", "End": True, "Branches": [machine(B={"Type": "Pass", "Next": "A"})]}),
         "Missing 'Next' target: A at /States/A/Branches[0]/States/B/Next"),
        (machine(A={"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "X", "States": {"B": PASS}}}),
         "Missing 'StartAt' target: X at /States/A/ItemProcessor/StartAt"),
        (machine(A={"Type": "Pass"}), "either Next, or End"),
        (machine(A={"Type": "Pass", "End": True, "Next": "A"}), "either Next, or End"),
        (machine(A={"Type": "Nothing", "End": True}), "Type must be one of"),
        (machine(A={"Type": "Task", "End": True}), "'Resource' is missing"),
        (machine(A={**PASS, "ResutlPath": "$.x"}), "'ResutlPath' is not supported"),
        (machine(A={**PASS, "Output": "{% 1 %}"}), "'Output' is not supported in JSONPath"),
        ({"QueryLanguage": "JSONata", **machine(A={**PASS, "InputPath": "$"})},
         "is not supported in JSONata"),
        ({"QueryLanguage": "JSONata", **machine(A={**PASS, "Output": {"x": ["{% 1 + %}"]}})},
         "/Output/x[0]"),
        ({"QueryLanguage": "JSONata", **machine(A={**PASS, "QueryLanguage": "JSONPath"})},
         "no states in JSONPath"),
        (machine(A={**PASS, "Parameters": {"x.$": "States.Unknown()"}}), "is not an intrinsic function"),
        (machine(A={**PASS, "Parameters": {"x": [{"y.$": "plain"}]}}), "neither a path nor an intrinsic"),
        (machine(A={**PASS, "ResultPath": "$.x[*]"}), "not a reference path"),
        (machine(A={**PASS, "Assign": {"states": 1}}), "not the name of a variable"),
        (machine(A={**WAIT, "SecondsPath": "$.s"}), "exactly one of Seconds"),
        (machine(A={"Type": "Wait", "Timestamp": "tomorrow", "End": True}), "A timestamp looks like"),
        (machine(A={**TASK, "TimeoutSeconds": 5, "HeartbeatSeconds": 5}), "less than TimeoutSeconds"),
        (machine(A={**TASK, "Retry": [{"ErrorEquals": ["States.ALL", "E"]}]}), "stands alone"),
        (machine(A={**TASK, "Retry": [{"ErrorEquals": ["States.Nothing"]}]}), "no error States.Nothing"),
        (machine(A={**TASK, "Retry": [{"ErrorEquals": ["States.Http.StatusCode.x"]}]}), "no error"),
        (machine(A={**TASK, "Retry": [{"ErrorEquals": ["E"], "BackoffRate": 0.5}]}), "BackoffRate"),
        (choice(NumericEquals="1"),
         "compares with a number"),
        (choice(NumericSame=1),
         "'NumericSame' is not supported"),
        (machine(A={**MAP, "ItemProcessor": machine(Inner=PASS), "Label": "x"}), "needs a Map in mode"),
        (machine(A={**MAP, "ToleratedFailurePercentage": 101}), "from 0 to 100"),
        (machine(A={**MAP, "ItemBatcher": {"BatchInput": {}}}), "MaxItemsPerBatch"),
        (machine(A={"Type": "Parallel", "End": True, "Branches": [machine(A=PASS)]}), "are unique"),
        ({"StartAt": "A", "States": {}}, "at least one state"),
    ],
)  # fmt: skip
def test_definition_with_a_fault_has_a_problem_that_says_where(
    definition: dict[str, Any], problem: str
) -> None:
    assert problem in "\n".join(map(str, problems(json.dumps(definition))))


@pytest.mark.parametrize(
    ("error", "wanted", "is_match"),
    [
        ("Mine", "Mine", True),
        ("Mine", "States.ALL", True),
        ("Mine", "States.TaskFailed", True),
        (None, "States.ALL", True),
        ("States.Timeout", "States.TaskFailed", False),
        ("States.HeartbeatTimeout", "States.Timeout", True),
        ("States.HeartbeatTimeout", "States.HeartbeatTimeout", True),
        ("States.Runtime", "States.ALL", False),
        ("States.DataLimitExceeded", "States.ALL", False),
        ("States.DataLimitExceeded", "States.DataLimitExceeded", True),
        ("States.Permissions", "States.Timeout", False),
    ],
)
def test_error_is_matched_as_the_guide_says(error: str | None, wanted: str, is_match: bool) -> None:
    assert matches(error, {wanted}) is is_match


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2001-01-01T12:00:00Z", datetime(2001, 1, 1, 12, tzinfo=UTC)),
        ("2001-01-01T12:00:00.250Z", datetime(2001, 1, 1, 12, 0, 0, 250_000, UTC)),
        ("2001-01-01T14:00:00.5+02:00", datetime(2001, 1, 1, 12, 0, 0, 500_000, UTC)),
        ("2001-01-01 12:00:00Z", None),
        ("2001-01-01t12:00:00z", None),
        ("2001-01-01T12:00:00", None),
        ("2001-13-01T12:00:00Z", None),
        (5, None),
    ],
)
def test_a_choice_compares_timestamps_of_rfc_3339(text: object, moment: datetime | None) -> None:
    assert timestamp(text) == moment


def test_a_wait_ends_at_its_moment_whatever_the_clock_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as here:
        here.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        assert local("2001-01-01T12:00:00Z") == datetime(2001, 1, 1, 17, 30)
        assert local("2001-01-01T14:00:00+02:00") == datetime(2001, 1, 1, 17, 30)
        assert local("tomorrow") is None
    time.tzset()
