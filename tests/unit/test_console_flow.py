"""The graph of a platform: from what was done and from definitions, never from names."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from millpond.client.trail import Passage
from millpond.console.reads.deployed import named, of_machine, of_trigger
from millpond.console.reads.flow import Link, Places, around, flow_of, mermaid, moments, of_run
from millpond.console.reads.runs import Run
from millpond.console.reads.things import Thing, thing_of

GLUE = "arn:aws:glue:eu-west-1:1"
JOB, TABLE = Thing("job", "load"), Thing("table", "shop.orders")
PLACES = Places([(TABLE, "s3://lake/curated/orders", "ICEBERG")])
RUN = Run("job", "load", "jr_0123456789abcdefffff", "SUCCEEDED", datetime(2026, 1, 1, tzinfo=UTC), 5.0)
SESSION = "GlueJobRunnerSession-0123456789abcdef"


def passage(
    verb: str, resource: str, *, actor: str = f"{GLUE}:job/load", run: str = SESSION, first: float = 1.0
):
    return Passage(actor, run, verb, resource, 1, first, first)


def lines(flow) -> set[tuple[str, str, str, bool]]:
    return {(edge.start.name, edge.verb, edge.end.name, edge.is_seen) for edge in flow.edges}


@pytest.mark.parametrize(
    ("arn", "thing"),
    [
        ("arn:aws:lambda:eu-west-1:1:function:plan:live", Thing("function", "plan")),
        ("arn:aws:states:eu-west-1:1:execution:flow:1", Thing("state machine", "flow")),
        ("arn:aws:s3:::lake/raw/", Thing("folder", "lake/raw/")),
        ("arn:aws:dynamodb:eu-west-1:1:table/runs/index/by-day", Thing("items", "runs")),
        ("arn:aws:secretsmanager:eu-west-1:1:secret:shop-db-a1B2c3", Thing("secret", "shop-db")),
        (f"{GLUE}:table/shop/<img src=x>", Thing("table", "shop.<img src=x>")),
        ("arn:aws:ec2:eu-west-1:1:vpc/vpc-1", None),
    ],
)
def test_an_arn_says_what_it_is_about(arn, thing):
    assert thing_of(arn) == thing


def test_files_of_a_table_are_the_table_and_its_metadata_is_no_reading():
    flow = flow_of(
        [
            passage("reads", "arn:aws:s3:::lake/raw/orders/2026/"),
            passage("reads", "arn:aws:s3:::lake/curated/orders/metadata/"),
            passage("writes", "arn:aws:s3:::lake/curated/orders/data/"),
            passage("looks", f"{GLUE}:table/shop/orders"),
        ],
        [],
        PLACES,
        {},
    )
    assert lines(flow) == {("lake/raw/", "reads", "load", True), ("load", "writes", "shop.orders", True)}


def test_a_query_reads_the_tables_that_it_looked_up_and_did_not_write():
    athena = {"actor": "athena.amazonaws.com"}
    flow = flow_of(
        [
            passage("looks", f"{GLUE}:table/shop/orders", run="q1", **athena),
            passage("looks", f"{GLUE}:table/shop/sums", run="q1", **athena),
            passage("writes", f"{GLUE}:table/shop/sums", run="q1", **athena),
        ],
        [],
        PLACES,
        {"q1": "analysts"},
    )
    assert lines(flow) == {
        ("shop.orders", "reads", "analysts", True),
        ("analysts", "writes", "shop.sums", True),
    }


def test_a_folder_that_two_tables_share_is_none_of_them():
    places = Places([(TABLE, "s3://lake/both/", ""), (Thing("table", "shop.other"), "s3://lake/both", "")])
    flow = flow_of([passage("reads", "arn:aws:s3:::lake/both/")], [], places, {})
    assert lines(flow) == {("lake/both/", "reads", "load", True)}


def test_what_is_deployed_and_was_not_seen_is_dashed_and_names_stay_text():
    hostile = Thing("job", '<img src=x>"]; click n0')
    flow = flow_of([], [Link(Thing("rule", "nightly"), hostile, "starts")], PLACES, {})
    text = mermaid(flow)
    assert lines(flow) == {("nightly", "starts", hostile.name, False)}
    assert "e0@-.->" in text
    assert "<" not in text.replace("<br", "")
    assert text.count('"') == 4


def test_around_a_thing_is_what_leads_to_it_and_what_comes_from_it_only():
    chain = [Thing("folder", name) for name in ("a", "b", "c", "d")]
    links = [Link(start, end, "reads") for start, end in pairwise(chain)]
    side = Link(Thing("folder", "x"), chain[2], "reads")
    flow = around(flow_of([], [*links, side], PLACES, {}), "folder b")
    assert {node.name for node in flow.nodes} == {"a", "b", "c", "d"}


def test_a_run_has_what_its_session_did_and_an_execution_what_it_started_in_its_time():
    started = RUN.started.timestamp() if RUN.started else 0.0
    machine = "arn:aws:states:eu-west-1:1:stateMachine:flow"
    began = passage("starts", f"{GLUE}:job/load", actor=machine, run="s", first=started + 1)
    wrote = passage("writes", "arn:aws:s3:::lake/raw/", first=started + 2)
    later = passage("writes", "arn:aws:s3:::lake/late/", run="another", first=started + 100)
    assert of_run([began, wrote, later], RUN) == {wrote}
    arn = "arn:aws:states:eu-west-1:1:execution:flow:1"
    execution = Run("execution", "flow", arn, "SUCCEEDED", RUN.started, 5.0)
    assert of_run([began, wrote, later], execution) == {began, wrote}
    assert moments(flow_of([began, wrote], [], PLACES, {}).edges) == [started + 2, started + 3]


def test_a_machine_says_what_its_tasks_start_and_what_is_worked_out_later_is_left_out():
    machine = Thing("state machine", "flow")
    definition = {
        "States": {
            "one": {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:1:function:plan"},
            "many": {
                "Type": "Map",
                "ItemProcessor": {
                    "States": {
                        "load": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::glue:startJobRun.sync",
                            "Parameters": {"JobName": "load"},
                        },
                        "any": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::lambda:invoke",
                            "Arguments": {"FunctionName": "{% $name %}"},
                        },
                    }
                },
            },
        }
    }
    edges = list(of_machine(machine, definition))
    assert [(edge.end.kind, edge.end.name) for edge in edges] == [("function", "plan"), ("job", "load")]
    assert named("function", "plan:live") == Thing("function", "plan")


def test_a_trigger_waits_for_jobs_and_starts_others():
    trigger = {
        "Name": "then",
        "WorkflowName": "nightly",
        "Predicate": {"Conditions": [{"JobName": "load"}]},
        "Actions": [{"CrawlerName": "look"}],
    }
    edges = {(edge.start.name, edge.end.name) for edge in of_trigger(trigger)}
    assert edges == {("nightly", "then"), ("load", "then"), ("then", "look")}
