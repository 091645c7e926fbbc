"""Event patterns and input transformers of EventBridge, by the examples of its User Guide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from millpond.localstack_ext.events import patterns, transformers

EVENT = {
    "version": "0",
    "id": "12345678-1234-1234-1234-111122223333",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "time": "2015-11-11T21:29:54Z",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
    "detail": {
        "instance-id": "i-0123456789",
        "state": "running",
        "c-count": 301.8,
        "d-count": 4,
        "x-limit": 301.8,
        "ok": True,
        "nothing": None,
        "empty": "",
        "list": [],
        "source-ip": "10.0.0.33",
        "file": "dir/a b.PNG",
        "tags": ["a", "b"],
        "rows": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
        "deep": {"er": {"x": 1}},
        "quote": 'say "hi"\n',
    },
}


@pytest.mark.parametrize(
    ("detail", "is_found"),
    [
        ({"state": ["pending", "running"]}, True),
        ({"state": ["Running"]}, False),
        ({"d-count": [4]}, True),
        ({"d-count": ["4"]}, False),
        ({"ok": [True]}, True),
        ({"ok": [1]}, False),
        ({"nothing": [None]}, True),
        ({"missing": [None]}, False),
        ({"empty": [""]}, True),
        ({"tags": ["b"]}, True),
        ({"state": [{"prefix": "run"}]}, True),
        ({"state": [{"prefix": {"equals-ignore-case": "RUN"}}]}, True),
        ({"file": [{"suffix": ".png"}]}, False),
        ({"file": [{"suffix": {"equals-ignore-case": ".png"}}]}, True),
        ({"state": [{"equals-ignore-case": "RUNNING"}]}, True),
        ({"state": [{"anything-but": "initializing"}]}, True),
        ({"state": [{"anything-but": ["running", "stopped"]}]}, False),
        ({"x-limit": [{"anything-but": [100, 200, 300]}]}, True),
        ({"missing": [{"anything-but": "x"}]}, False),
        ({"state": [{"anything-but": {"prefix": "run"}}]}, False),
        ({"state": [{"anything-but": {"prefix": ["init", "stop"]}}]}, True),
        ({"file": [{"anything-but": {"suffix": ".txt"}}]}, True),
        ({"state": [{"anything-but": {"equals-ignore-case": ["RUNNING"]}}]}, False),
        ({"file": [{"anything-but": {"wildcard": "dir/*"}}]}, False),
        ({"c-count": [{"numeric": [">", 0, "<", 300]}]}, False),
        ({"c-count": [{"numeric": [">", 0]}], "d-count": [{"numeric": ["<", 10]}]}, True),
        ({"x-limit": [{"numeric": ["=", 3.018e2]}]}, True),
        ({"ok": [{"numeric": ["=", 1]}]}, False),
        ({"source-ip": [{"cidr": "10.0.0.0/24"}]}, True),
        ({"source-ip": [{"cidr": "10.0.1.0/24"}]}, False),
        ({"state": [{"exists": True}]}, True),
        ({"missing": [{"exists": False}]}, True),
        ({"nothing": [{"exists": True}]}, True),
        ({"list": [{"exists": False}]}, True),
        ({"deep": [{"exists": True}]}, False),
        ({"deep": {"er": {"x": [1]}}}, True),
        ({"deep.er": {"x": [1]}}, True),
        ({"gone": {"er": [{"exists": False}]}}, True),
        ({"file": [{"wildcard": "dir/*.PNG"}]}, True),
        ({"state": [{"wildcard": "running*"}]}, True),
        ({"state": [{"wildcard": "run\\*"}]}, False),
        ({"state": ["x", {"prefix": "run"}]}, True),
        ({"$or": [{"state": ["x"]}, {"d-count": [{"numeric": ["<=", 4]}]}]}, True),
        ({"$or": [{"state": ["x"]}, {"d-count": [5]}], "ok": [True]}, False),
        ({"rows": {"k": ["x"], "v": [1]}}, True),
        ({"rows": {"k": ["x"], "v": [2]}}, False),
    ],
)
def test_pattern_finds_an_event_or_not(detail: dict[str, Any], is_found: bool) -> None:
    pattern = patterns.parse(json.dumps({"source": ["aws.ec2"], "detail": detail}))
    assert pattern.matches(EVENT) is is_found
    assert not pattern.matches({**EVENT, "source": "aws.s3"})


@pytest.mark.parametrize(
    "pattern",
    [
        "nothing",
        "[]",
        "{}",
        '{"source": "aws.ec2"}',
        '{"source": []}',
        '{"detail": {}}',
        '{"source": [["a"]]}',
        '{"source": [{"like": "a"}]}',
        '{"source": [{"prefix": "a", "suffix": "b"}]}',
        '{"source": [{"prefix": 1}]}',
        '{"source": [{"prefix": {"wildcard": "a"}}]}',
        '{"source": [{"equals-ignore-case": ["a"]}]}',
        '{"source": [{"exists": "true"}]}',
        '{"source": [{"numeric": [">"]}]}',
        '{"source": [{"numeric": ["~", 1]}]}',
        '{"source": [{"numeric": [">", 5, "<", 1]}]}',
        '{"source": [{"numeric": ["<", 5, ">", 1]}]}',
        '{"source": [{"cidr": "10.0.0.0"}]}',
        '{"source": [{"cidr": "10.0.0.0/99"}]}',
        '{"source": [{"wildcard": "a**"}]}',
        '{"source": [{"wildcard": "a\\\\b"}]}',
        '{"source": [{"anything-but": null}]}',
        '{"source": [{"anything-but": ["a", 1]}]}',
        '{"source": [{"anything-but": {"numeric": ["=", 1]}}]}',
        '{"source": [{"anything-but": {"prefix": ""}}]}',
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(patterns.InvalidPatternError):
        patterns.parse(pattern)


PATHS = {
    "instance": "$.detail.instance-id",
    "state": "$.detail.state",
    "count": "$.detail.d-count",
    "ok": "$.detail.ok",
    "tags": "$.detail.tags",
    "first": "$.detail.tags[0]",
    "deep": "$.detail.deep",
    "gone": "$.detail.gone.x",
    "quote": "$.detail.quote",
    "type": "$['detail-type']",
}
PREDEFINED = {"aws.events.rule-name": "r", "aws.events.event.json": {"id": "1"}}


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ('"instance <instance> is in <state>"', "instance i-0123456789 is in running"),
        ('"<count> of <tags>, <ok>, <deep><gone>"', '4 of ["a","b"], true, {"er":{"x":1}}'),
        ('"first <first>"\n"second <state>"', "first a\nsecond running"),
        ('"say \\"<state>\\""', 'say "running"'),
        ('{"instance": <instance>, "state": <state>}', {"instance": "i-0123456789", "state": "running"}),
        ('{"n": <count>, "t": <tags>, "o": <ok>, "d": <deep>, "g": <gone>}',
         {"n": 4, "t": ["a", "b"], "o": True, "d": {"er": {"x": 1}}, "g": None}),
        ('{"path": "feeds/<instance>/<count>/<first>"}', {"path": "feeds/i-0123456789/4/a"}),
        ('{"q": <quote>, "in": "<quote>", "none": "<gone>"}',
         {"q": 'say "hi"\n', "in": 'say "hi"\n', "none": ""}),
        ('[<count>, {"<state>": "<type>"}]',
         [4, {"running": "EC2 Instance State-change Notification"}]),
        ('{"rule": "<aws.events.rule-name>", "event": <aws.events.event.json>}',
         {"rule": "r", "event": {"id": "1"}}),
        ('{"less": "a < b"}', {"less": "a < b"}),
    ],
)  # fmt: skip
def test_transformer_gives_what_its_template_says(template: str, result: Any) -> None:
    transformer = transformers.read({"InputPathsMap": PATHS, "InputTemplate": template})
    assert transformer.apply(EVENT, PREDEFINED) == result


@pytest.mark.parametrize(
    ("paths", "template"),
    [
        ({}, '"<unknown>"'),
        ({"a": "detail"}, '"<a>"'),
        ({"a": "$.x[*]"}, '"<a>"'),
        ({"a b": "$.x"}, '"x"'),
        ({}, "plain"),
        ({}, '"open'),
        ({}, '{"a": }'),
        ({"a": "$.x"}, '{"a": <a>'),
        ({}, ""),
    ],
)
def test_what_is_no_transformer_is_refused(paths: dict[str, str], template: str) -> None:
    with pytest.raises(transformers.InvalidTransformerError):
        transformers.read({"InputPathsMap": paths, "InputTemplate": template})
