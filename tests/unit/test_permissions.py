"""What the tests take for allowed: IAM's rules, as far as the platform's policies use them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from permissions import Account, Need, Role, Statement, admits, matches

BUCKET = "arn:aws:s3:::lake"
READ = {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/erp/*"}
PUT = {
    "Sid": "Put",
    "Effect": "Allow",
    "Action": ["cloudwatch:PutMetricData"],
    "Resource": ["*"],
    "Condition": {"StringEquals": {"cloudwatch:namespace": "Millpond"}},
}
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def role(*statements: dict[str, Any], boundary: dict[str, Any] = ALL) -> Role:
    return Role("tester", tuple(map(Statement.of, statements)), (Statement.of(boundary),))


def metric(namespace: str) -> Need:
    return Need("cloudwatch:PutMetricData", "*", (("cloudwatch:namespace", namespace),))


def test_an_action_is_allowed_on_the_resources_of_its_statement_only() -> None:
    reader = role(READ)

    assert reader.allows(Need("s3:getobject", f"{BUCKET}/erp/orders/0.parquet"))
    assert not reader.allows(Need("s3:GetObject", f"{BUCKET}/tpch/0.parquet"))
    assert not reader.allows(Need("s3:PutObject", f"{BUCKET}/erp/0.parquet"))


def test_a_condition_that_the_call_tells_decides() -> None:
    writer = role(PUT)

    assert writer.allows(metric("Millpond"))
    assert not writer.allows(metric("Glue"))


def test_a_condition_that_it_does_not_tell_is_told_of() -> None:
    statement = Statement.of(PUT)

    assert statement.unjudged(metric("Millpond")) == set()
    assert statement.unjudged(Need("cloudwatch:PutMetricData", "*")) == {"cloudwatch:namespace"}


def test_neither_boundary_nor_denial_is_overruled() -> None:
    need = Need("s3:GetObject", f"{BUCKET}/erp/0.parquet")

    assert not role(READ, boundary={**ALL, "Action": "glue:*"}).allows(need)
    assert not role(READ, {**READ, "Effect": "Deny"}).allows(need)


def test_what_was_used_is_told_by_statement_and_action() -> None:
    both = role({**READ, "Action": ["s3:GetObject", "s3:DeleteObject"]}, PUT)

    used = both.used([Need("s3:GetObject", f"{BUCKET}/erp/0.parquet")])

    assert both.granted() - used == {("Read", "s3:DeleteObject"), ("Put", "cloudwatch:PutMetricData")}


def test_a_resource_admits_a_service_that_tells_what_its_policy_asks_for() -> None:
    condition = {"ArnLike": {"AWS:SourceArn": "arn:aws:events:*:rule/ours"}}
    statement = {**READ, "Principal": {"Service": "events.amazonaws.com"}, "Condition": condition}
    policy = json.dumps({"Statement": [statement]})

    def is_admitted(service: str, *context: tuple[str, str]) -> bool:
        return admits(policy, service, Need("s3:GetObject", f"{BUCKET}/erp/0.parquet", context))

    assert is_admitted("events.amazonaws.com", ("aws:SourceArn", "arn:aws:events:eu-west-1:rule/ours"))
    assert not is_admitted("events.amazonaws.com", ("aws:SourceArn", "arn:aws:events:eu-west-1:rule/theirs"))
    assert not is_admitted("events.amazonaws.com")
    assert not is_admitted("sns.amazonaws.com", ("aws:SourceArn", "arn:aws:events:eu-west-1:rule/ours"))


@pytest.mark.parametrize("name", ["NotAction", "NotResource", "Principal"])
def test_what_cannot_be_judged_is_refused(name: str) -> None:
    with pytest.raises(AssertionError, match=name):
        Statement.of({**READ, name: "*"})


@pytest.mark.parametrize(("pattern", "text"), [("a.b", "axb"), ("[ab]", "a"), ("lake", "lakes"), ("a?", "a")])
def test_only_star_and_question_mark_are_wildcards(pattern: str, text: str) -> None:
    assert not matches(pattern, text)


def test_a_call_needs_what_it_touches_and_the_key_of_that() -> None:
    account = Account(lambda service: _Kms(), "1", "eu-west-1", "alias/data")
    copy = {"Bucket": "lake", "Key": "b", "CopySource": "raw/a%20a"}
    transaction = {"TransactItems": [{"Update": {"TableName": "t"}}, {"Put": {"TableName": "u"}}]}

    def needs(service: str, operation: str, request: dict[str, Any]) -> set[tuple[str, str]]:
        call = {"service": service, "operation": operation, "request": request}
        return {(one.action, one.resource.removeprefix("arn:aws:")) for one in account.needs(call)}

    assert needs("s3", "CopyObject", copy) >= {
        ("s3:GetObject", "s3:::raw/a a"),
        ("s3:PutObject", "s3:::lake/b"),
    }
    assert needs("s3", "ListObjectsV2", {"Bucket": "lake"}) == {("s3:ListBucket", "s3:::lake")}
    assert needs("dynamodb", "TransactWriteItems", transaction) == {
        ("dynamodb:UpdateItem", "dynamodb:eu-west-1:1:table/t"),
        ("dynamodb:PutItem", "dynamodb:eu-west-1:1:table/u"),
        ("kms:Decrypt", "key"),
    }
    assert needs("sts", "GetCallerIdentity", {}) == set()


class _Kms:
    def describe_key(self, KeyId: str) -> Any:  # noqa: N803 - as boto3 has it
        return {"KeyMetadata": {"Arn": "key"}}
