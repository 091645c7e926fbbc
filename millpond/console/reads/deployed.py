"""What starts or reads what by the definitions of a platform: machines, rules, triggers, subscriptions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millpond.client.aws import Aws
from millpond.client.listing import pages
from millpond.console.reads.flow import Link
from millpond.console.reads.things import Thing, thing_of

# Which parameter of an integration of Step Functions names what it is about, and what is done to it.
_INTEGRATIONS: Mapping[str, tuple[str, str, str]] = {
    "lambda:invoke": ("FunctionName", "function", "starts"),
    "glue:startJobRun": ("JobName", "job", "starts"),
    "aws-sdk:glue:startJobRun": ("JobName", "job", "starts"),
    "aws-sdk:glue:startCrawler": ("Name", "crawler", "starts"),
    "states:startExecution": ("StateMachineArn", "state machine", "starts"),
    "codebuild:startBuild": ("ProjectName", "project", "starts"),
    "athena:startQueryExecution": ("WorkGroup", "workgroup", "starts"),
    "sqs:sendMessage": ("QueueUrl", "queue", "writes"),
    "sns:publish": ("TopicArn", "topic", "writes"),
    "dynamodb:putItem": ("TableName", "items", "writes"),
    "dynamodb:updateItem": ("TableName", "items", "writes"),
    "dynamodb:deleteItem": ("TableName", "items", "writes"),
}
_INTEGRATION = ":states:::"


def named(kind: str, given: object) -> Thing | None:
    """What a definition names by ARN, URL or name; None where it is worked out when it runs.

    >>> named("queue", "http://localhost/000000000000/orders")
    Thing(kind='queue', name='orders')
    """
    if not isinstance(given, str) or not given or given.startswith(("$", "{%")):
        return None
    if given.startswith("arn:"):
        return thing_of(given)
    return Thing(kind, given.rpartition("/")[2].partition(":")[0])


def of_machine(machine: Thing, definition: Mapping[str, Any]) -> Iterator[Link]:
    """What the tasks of a state machine are about, in whatever depth."""
    for state in definition.get("States", {}).values():
        yield from _of_state(machine, state)
        inner = state.get("ItemProcessor") or state.get("Iterator")
        for one in [*state.get("Branches", []), *([inner] if inner else [])]:
            yield from of_machine(machine, one)


def _of_state(machine: Thing, state: Mapping[str, Any]) -> Iterator[Link]:
    resource = str(state.get("Resource", ""))
    if _INTEGRATION not in resource:
        if found := thing_of(resource):
            yield Link(machine, found, "starts")
        return
    name = resource.partition(_INTEGRATION)[2].partition(".")[0]
    if (known := _INTEGRATIONS.get(name)) is None:
        return
    parameter, kind, verb = known
    given = state.get("Parameters") or state.get("Arguments") or {}
    if isinstance(given, Mapping) and (found := named(kind, given.get(parameter))):
        yield Link(machine, found, verb)


def _machines(aws: Aws) -> Iterator[Link]:
    client = aws.stepfunctions
    for one in pages(client, "list_state_machines", "stateMachines"):
        told = client.describe_state_machine(stateMachineArn=one["stateMachineArn"])
        yield from of_machine(Thing("state machine", one["name"]), json.loads(told["definition"]))


def _rules(aws: Aws) -> Iterator[Link]:
    client: Any = aws.client("events")
    for bus in client.list_event_buses()["EventBuses"]:
        for rule in pages(client, "list_rules", "Rules", EventBusName=bus["Name"]):
            own = thing_of(rule["Arn"]) or Thing("rule", rule["Name"])
            targets = pages(
                client, "list_targets_by_rule", "Targets", Rule=rule["Name"], EventBusName=bus["Name"]
            )
            for target in targets:
                if found := thing_of(target["Arn"]):
                    yield Link(own, found, "starts")


def of_trigger(trigger: Mapping[str, Any]) -> Iterator[Link]:
    """What a trigger of Glue waits for, and what it starts."""
    own = Thing("trigger", trigger["Name"])
    if workflow := trigger.get("WorkflowName"):
        yield Link(Thing("workflow", workflow), own, "starts")
    for condition in trigger.get("Predicate", {}).get("Conditions", []):
        for member, kind in (("JobName", "job"), ("CrawlerName", "crawler")):
            if found := named(kind, condition.get(member)):
                yield Link(found, own, "starts")
    for action in trigger.get("Actions", []):
        for member, kind in (("JobName", "job"), ("CrawlerName", "crawler")):
            if found := named(kind, action.get(member)):
                yield Link(own, found, "starts")


def _triggers(aws: Aws) -> Iterator[Link]:
    for trigger in pages(aws.glue, "get_triggers", "Triggers"):
        yield from of_trigger(trigger)


def _connections(aws: Aws) -> Iterator[Link]:
    for job in pages(aws.glue, "get_jobs", "Jobs"):
        for name in job.get("Connections", {}).get("Connections", []):
            yield Link(Thing("connection", name), Thing("job", job["Name"]), "reads")


def _mappings(aws: Aws) -> Iterator[Link]:
    for one in pages(aws.lambda_, "list_event_source_mappings", "EventSourceMappings"):
        start, end = thing_of(one.get("EventSourceArn", "")), thing_of(one["FunctionArn"])
        if start and end:
            yield Link(start, end, "starts")


def _subscriptions(aws: Aws) -> Iterator[Link]:
    for one in pages(aws.client("sns"), "list_subscriptions", "Subscriptions"):
        start, end = thing_of(one["TopicArn"]), thing_of(one["Endpoint"])
        if start and end:
            yield Link(start, end, "starts")


def _notifications(aws: Aws) -> Iterator[Link]:
    members = (
        ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
        ("QueueConfigurations", "QueueArn"),
        ("TopicConfigurations", "TopicArn"),
    )
    for bucket in aws.s3.list_buckets()["Buckets"]:
        told: Mapping[str, Any] = aws.s3.get_bucket_notification_configuration(Bucket=bucket["Name"])
        for member, arn in members:
            for one in told.get(member, []):
                if found := thing_of(one[arn]):
                    yield Link(Thing("bucket", bucket["Name"]), found, "starts")


def _schedules(aws: Aws) -> Iterator[Link]:
    client: Any = aws.client("scheduler")
    for one in pages(client, "list_schedules", "Schedules"):
        told = client.get_schedule(Name=one["Name"], GroupName=one["GroupName"])
        if found := thing_of(told["Target"]["Arn"]):
            yield Link(Thing("schedule", f"{one['GroupName']}/{one['Name']}"), found, "starts")


_READERS: Mapping[str, Callable[[Aws], Iterator[Link]]] = {
    "state machines": _machines,
    "rules": _rules,
    "triggers": _triggers,
    "connections of jobs": _connections,
    "event source mappings": _mappings,
    "subscriptions": _subscriptions,
    "notifications of buckets": _notifications,
    "schedules": _schedules,
}


def links(aws: Aws) -> tuple[list[Link], dict[str, str]]:
    """What the definitions say, and what a service said that could not be asked."""
    found: list[Link] = []
    refused: dict[str, str] = {}
    for name, reader in _READERS.items():
        try:
            found += reader(aws)
        except (ClientError, BotoCoreError) as error:
            refused[name] = str(error)
    return found, refused
