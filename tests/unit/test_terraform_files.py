"""What must hold of the files in terraform/ without running anything."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from localstack.services.stepfunctions.asl.parse.asl_parser import AmazonStateLanguageParser

from millpond.base.config import CHECKOUT
from millpond.localstack_ext.stepfunctions.definitions import problems
from millpond.localstack_ext.stepfunctions.programs import reduced

TERRAFORM = CHECKOUT / "terraform"
SOURCES = {path.name: path.read_text() for path in sorted(TERRAFORM.glob("*.tf"))}
TEXT = "\n".join(SOURCES.values())


def rendered() -> str:
    """The state machine with a stand-in for every variable of the template."""
    template = (TERRAFORM / "state_machines/ingest.asl.json.tftpl").read_text()
    values = {"partition": "aws"}
    return re.sub(
        r"\$\{(\w+)\}",
        lambda found: "60" if "seconds" in found[1] else values.get(found[1], found[1]),
        template,
    )


def states(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every state with those inside Map states, by name."""
    found = dict(machine["States"])
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            found |= states(state["ItemProcessor"])
    return found


MACHINE = json.loads(rendered())
STATES = states(MACHINE)
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}


def test_the_definition_is_valid_states_language() -> None:
    assert problems(rendered()) == []
    AmazonStateLanguageParser.parse(json.dumps(reduced(json.loads(rendered()))))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_time_limit_and_retries_only_named_errors_or_what_is_harmless_twice(
    name: str,
) -> None:
    task = TASKS[name]
    assert task["TimeoutSeconds"] > 0
    for retrier in task["Retry"]:
        if retrier["MaxAttempts"] == 0:
            # Names an answer that would be the same again, before what catches all.
            assert retrier["ErrorEquals"] == ["DynamoDB.ConditionalCheckFailedException"]
            continue
        assert retrier["BackoffRate"] > 1
        assert 1 <= retrier["MaxAttempts"] <= 8
        assert retrier["MaxDelaySeconds"] <= 120
        assert retrier["JitterStrategy"] == "FULL"
        if "glue" in task["Resource"]:
            assert not {"States.ALL", "States.TaskFailed", "States.Timeout"} & set(retrier["ErrorEquals"])


def test_the_transaction_only_updates() -> None:
    items = TASKS["Commit"]["Parameters"]["TransactItems"]
    assert {kind for item in items for kind in item} == {"Update"}


def test_nothing_that_goes_wrong_with_one_table_leaves_the_map() -> None:
    inside = states(STATES["IngestTables"]["ItemProcessor"])
    for name, state in inside.items():
        assert state["Type"] != "Fail", name
        if state["Type"] == "Task":
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_only_the_aws_provider_is_used() -> None:
    assert re.findall(r"source\s+=\s+\"(\w+/\w+)\"", TEXT) == ["hashicorp/aws"]
    kinds = re.findall(r'^(?:resource|data) "([a-z0-9]+)_', TEXT, re.MULTILINE)
    assert set(kinds) == {"aws"}


@pytest.mark.parametrize("word", ["is_local", "localstack", "127.0.0.1", "endpoint_url", "4566", "moto"])
def test_the_code_does_not_know_where_it_runs(word: str) -> None:
    assert word not in TEXT
    assert word not in rendered()
