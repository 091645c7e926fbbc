"""What must hold of the files in terraform/ without running anything."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from localstack.services.stepfunctions.asl.parse.asl_parser import AmazonStateLanguageParser

from millpond.base.config import CHECKOUT
from millpond.localstack_ext.stepfunctions.definitions import problems

TERRAFORM = CHECKOUT / "terraform"
SOURCES = {path.name: path.read_text() for path in sorted(TERRAFORM.glob("*.tf"))}
TEXT = "\n".join(SOURCES.values())


def rendered() -> str:
    """The state machine with a stand-in for every variable of the template."""
    template = (TERRAFORM / "state_machines/ingest.asl.json.tftpl").read_text()
    return re.sub(r"\$\{(\w+)\}", lambda found: "60" if "seconds" in found[1] else found[1], template)


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
# What a task calls with the role of its state machine, also when it is stopped: the policies that the Step
# Functions Developer Guide has for each service.
INTEGRATIONS = {
    "athena:getQueryResults": {"athena:GetQueryResults"},
    "athena:startQueryExecution.sync": {
        "athena:GetQueryExecution",
        "athena:StartQueryExecution",
        "athena:StopQueryExecution",
    },
    "aws-sdk:dynamodb:transactWriteItems": {"dynamodb:UpdateItem"},
    "dynamodb:getItem": {"dynamodb:GetItem"},
    "dynamodb:updateItem": {"dynamodb:UpdateItem"},
    "glue:startJobRun.sync": {
        "glue:BatchStopJobRun",
        "glue:GetJobRun",
        "glue:GetJobRuns",
        "glue:StartJobRun",
    },
    "lambda:invoke": {"lambda:InvokeFunction"},
    "lambda:invoke.waitForTaskToken": {"lambda:InvokeFunction"},
    "sns:publish": {"sns:Publish"},
}


def test_the_definition_is_valid_states_language() -> None:
    assert problems(rendered()) == []
    AmazonStateLanguageParser.parse(rendered())


def test_the_template_uses_the_variables_that_terraform_gives_it() -> None:
    template = (TERRAFORM / "state_machines/ingest.asl.json.tftpl").read_text()
    call = SOURCES["state_machine.tf"].split("templatefile(")[1].split("})")[0]
    assert set(re.findall(r"\$\{(\w+)\}", template)) == set(re.findall(r"^\s+(\w+)\s+=", call, re.MULTILINE))


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


def test_the_role_of_the_state_machine_may_do_what_its_tasks_call_and_no_more_of_these_services() -> None:
    [document] = re.findall(
        r'^data "aws_iam_policy_document" "state_machine" {\n(.*?)^}', TEXT, re.MULTILINE | re.DOTALL
    )
    called = {name for task in TASKS.values() for name in INTEGRATIONS[task["Resource"].split(":::")[1]]}
    services = ("athena", "dynamodb", "lambda", "sns")
    granted = set(re.findall(r'"((?:' + "|".join(services) + r"):\w+|glue:\w*JobRuns?)\"", document))
    assert granted == called


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


def test_every_variable_and_output_is_described() -> None:
    for kind in ("variable", "output"):
        for name, body in re.findall(rf'^{kind} "(\w+)" {{\n(.*?)^}}', TEXT, re.MULTILINE | re.DOTALL):
            assert re.search(r'^  description = ".{10,}"', body, re.MULTILINE), f"{kind} {name}"


def test_a_policy_names_its_resources_except_where_aws_has_none_to_name() -> None:
    statements = re.findall(
        r"^  (?:dynamic \"statement\"|statement) {\n(.*?)^  }", TEXT, re.MULTILINE | re.DOTALL
    )
    assert len(statements) > 40
    wild = {
        re.search(r'sid\s+= "?([\w.]+)', one)[1]  # type: ignore[index]
        for one in statements
        if re.search(r'resources\s+= \["\*"\]', one)
    }
    # Of a key's own policy, "*" is the key.
    key = {"PoliciesOfTheAccountDecide", "LogGroups", "Alarms", "Rules"}
    without_resource = {"AttachToTheVpc", "DeliverLogs", "FindTheVpc", "PutMetrics"}
    assert wild == {*without_resource, "WriteMetrics", "WriteTraces"} | key
    for one in statements:
        if re.search(r'"\w+:\*"', one):
            assert re.search(r'effect\s+= "Deny"', one), one


@pytest.mark.parametrize("name", ["monitoring.tf", "kms.tf"])
def test_eventbridge_reaches_topics_and_their_key_without_a_condition_since_it_fulfils_none(
    name: str,
) -> None:
    pattern = r"^  (?:dynamic \"statement\"|statement) {\n(.*?)^  }"
    statements = re.findall(pattern, SOURCES[name], re.MULTILINE | re.DOTALL)
    [ours] = [one for one in statements if '"events.amazonaws.com"' in one]
    assert "condition {" not in ours


def test_every_folder_of_lambdas_is_a_function_with_its_own_rights() -> None:
    folders = {path.parent.name for path in CHECKOUT.glob("lambdas/*/handler.py")}
    for name, source in (("lambdas", "lambdas.tf"), ("lambda_statements", "lambda_policies.tf")):
        block = re.search(rf"^  {name} = {{\n(.*?)^  }}", SOURCES[source], re.MULTILINE | re.DOTALL)
        assert block
        assert set(re.findall(r"^    (\w+) = [{\[]", block[1], re.MULTILINE)) == folders


def test_everything_that_is_optional_and_costs_says_how_much() -> None:
    for name in ("customer_gateway_ip", "interface_endpoints", "log_retention_days"):
        assert " USD" in re.search(rf'variable "{name}" {{\n  description = "(.*)"', TEXT)[1]  # type: ignore[index]


def test_every_waiver_of_a_check_says_why() -> None:
    waivers = re.findall(r"#checkov:skip=(\w+)(.*)", TEXT)
    assert len(waivers) > 10
    assert [name for name, reason in waivers if len(reason) < 30 or not reason.startswith(":")] == []


def test_a_view_has_the_statement_that_is_beside_it() -> None:
    for folder, kind in (("views", "views"), ("queries", "named_queries")):
        block = re.search(rf"^  {kind} = {{\n(.*?)^  }}", TEXT, re.MULTILINE | re.DOTALL)
        assert block
        names = set(re.findall(r"^    ([\w-]+)\s+= {", block[1], re.MULTILINE))
        assert names == {path.stem for path in (TERRAFORM / folder).glob("*.sql")}
