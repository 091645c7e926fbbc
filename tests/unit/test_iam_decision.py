"""IAM's evaluation: operators, patterns, and which kind of policy decides; AWS's own examples."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.planes.iam import (
    Decision,
    MalformedPolicyError,
    Policies,
    Reason,
    Request,
    Statement,
    decide,
    read_policy,
)
from millpond.planes.iam.conditions import OPERATORS, are_fulfilled
from millpond.planes.iam.learning import idle, without
from millpond.planes.iam.ledger import Judgement
from millpond.planes.iam.wildcards import matches, matches_in

ACCOUNT, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/etl"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/etl/run"
USER = f"arn:aws:iam::{ACCOUNT}:user/ada"
OBJECT = "arn:aws:s3:::lake/raw/a.parquet"


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> tuple[Statement, ...]:
    return read_policy({"Version": version, "Statement": list(statements)})


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(action, resource, **more) | {"Effect": "Deny"}


def ask(policies: Policies, **more: Any) -> Decision:
    asked: dict[str, Any] = {
        "principal": SESSION,
        "role": ROLE,
        "account": ACCOUNT,
        "action": "s3:GetObject",
        "resource": OBJECT,
        "resource_account": ACCOUNT,
    }
    return decide(Request(**asked | more), policies)


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("arn:aws:s3:::lake/*", OBJECT, True),
        ("arn:aws:s3:::lake", OBJECT, False),
        ("arn:aws:s3:::l?ke/raw/?.parquet", OBJECT, True),
        ("*", "", True),
        ("?", "", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-b-b-", False),
        ("[ab]*", "[ab]x", True),
        ("[ab]*", "ax", False),
        ("*" * 300 + "b", "a" * 20_000, False),
    ],
)
def test_a_pattern_is_of_a_text(pattern: str, text: str, is_match: bool):
    assert matches(pattern, text) is is_match


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("home/${aws:username}/*", "home/ada/x", True),
        ("home/${aws:UserName}/*", "home/bob/x", False),
        ("home/${aws:PrincipalTag/team}/*", "home//x", False),
        ("home/${aws:PrincipalTag/team, 'all'}/*", "home/all/x", True),
        ("${*}.csv", "*.csv", True),
        ("${*}.csv", "a.csv", False),
        ("${$}x", "$x", True),
        ("${many}", "1", False),
        ("${star}", "anything", False),
        ("${star}", "*", True),
    ],
)
def test_variables_have_the_values_of_the_request(pattern: str, text: str, is_match: bool):
    context = {"aws:username": ("ada",), "many": ("1", "2"), "star": ("*",)}
    assert matches_in(pattern, text, context) is is_match


CONTEXT = {
    "text": ("Value",),
    "texts": ("a", "b"),
    "number": ("10",),
    "when": ("2026-03-01T12:00:00Z",),
    "secure": ("true",),
    "ip": ("203.0.113.7",),
    "arn": ("arn:aws:sns:eu-west-1:111122223333:topic",),
    "bytes": ("Qmlu",),
}


CASES = [
    ("StringEquals", "text", "Value", True),
    ("StringEquals", "text", "value", False),
    ("StringEquals", "text", ["x", "Value"], True),
    ("StringEquals", "text", "Val*", False),
    ("StringNotEquals", "text", ["x", "Value"], False),
    ("StringNotEquals", "text", ["x", "y"], True),
    ("StringEqualsIgnoreCase", "text", "VALUE", True),
    ("StringNotEqualsIgnoreCase", "text", "VALUE", False),
    ("StringLike", "text", "V?l*", True),
    ("StringNotLike", "text", "V?l*", False),
    ("StringEquals", "absent", "x", False),
    ("StringNotEquals", "absent", "x", True),
    ("StringEqualsIfExists", "absent", "x", True),
    ("StringEqualsIfExists", "text", "x", False),
    ("NumericEquals", "number", "10.0", True),
    ("NumericNotEquals", "number", "10", False),
    ("NumericLessThan", "number", "11", True),
    ("NumericLessThanEquals", "number", "10", True),
    ("NumericGreaterThan", "number", "10", False),
    ("NumericGreaterThanEquals", "number", "10", True),
    ("NumericEquals", "text", "10", False),
    ("DateLessThan", "when", "2026-04-01T00:00:00Z", True),
    ("DateGreaterThan", "when", "2026-03-01T13:00:00+01:00", False),
    ("DateEquals", "when", "1772366400", True),
    ("Bool", "secure", "true", True),
    ("Bool", "secure", "false", False),
    ("BinaryEquals", "bytes", "Qmlu", True),
    ("IpAddress", "ip", "203.0.113.0/24", True),
    ("IpAddress", "ip", ["10.0.0.0/8", "203.0.113.7"], True),
    ("IpAddress", "ip", "2001:db8::/32", False),
    ("NotIpAddress", "ip", "203.0.113.0/24", False),
    ("NotIpAddress", "absent", "203.0.113.0/24", True),
    ("ArnLike", "arn", "arn:aws:sns:*:111122223333:*", True),
    ("ArnEquals", "arn", "arn:aws:sns:*:111122223333:t*", True),
    ("ArnLike", "arn", "arn:aws:*", False),
    ("ArnNotLike", "arn", "arn:aws:sns:*:*:other", True),
    ("Null", "absent", "true", True),
    ("Null", "text", "true", False),
    ("Null", "text", "false", True),
    ("ForAllValues:StringEquals", "texts", ["a", "b", "c"], True),
    ("ForAllValues:StringEquals", "texts", ["a"], False),
    ("ForAllValues:StringEquals", "absent", ["a"], True),
    ("ForAnyValue:StringEquals", "texts", ["b", "z"], True),
    ("ForAnyValue:StringEquals", "texts", ["z"], False),
    ("ForAnyValue:StringEquals", "absent", ["a"], False),
    ("ForAllValues:StringNotEquals", "texts", ["z"], True),
    ("ForAllValues:StringNotEquals", "texts", ["a"], False),
    ("ForAnyValue:StringNotEquals", "texts", ["a"], True),
    ("StringNotEqualsIgnoreCase", "text", "other", True),
    ("StringNotLike", "text", "x*", True),
    ("StringLike", "texts", ["z", "b"], True),
    ("NumericNotEquals", "number", "11", True),
    ("NumericLessThan", "number", "10", False),
    ("NumericGreaterThan", "number", "9.5", True),
    ("NumericLessThanEquals", "number", "nine", False),
    ("DateNotEquals", "when", "2026-03-01T12:00:00Z", False),
    ("DateNotEquals", "when", "2026-03-02", True),
    ("DateGreaterThan", "when", "2026-02-28", True),
    ("DateGreaterThanEquals", "when", "2026-03-01T12:00:00Z", True),
    ("ArnNotEquals", "arn", "arn:aws:sns:*:111122223333:other", True),
    ("DateLessThanEquals", "when", "2026-03-01T12:00:00Z", True),
    ("DateGreaterThanEquals", "when", "2026-03-02", False),
    ("BoolIfExists", "absent", "true", True),
    ("BinaryEquals", "bytes", "QmlO", False),
    ("BinaryEquals", "text", "Qmlu", False),
    ("ArnNotEquals", "arn", "arn:aws:sns:*:111122223333:t*", False),
    ("ArnEqualsIfExists", "absent", "arn:aws:sns:*:*:*", True),
    ("NotIpAddressIfExists", "ip", "203.0.113.0/24", False),
    ("ForAllValues:StringLike", "texts", ["?"], True),
    ("ArnEquals", "arn", "arn:aws:sqs:*:111122223333:*", False),
    ("ArnNotLike", "arn", "arn:aws:sns:*:*:t*", False),
    ("NumericGreaterThanEquals", "number", "11", False),
    ("StringEqualsIgnoreCase", "text", "other", False),
    ("DateEquals", "when", "2026-03-02", False),
    ("DateLessThan", "when", "2026-03-01T12:00:00Z", False),
    ("DateLessThanEquals", "when", "2026-02-28", False),
    ("NumericEquals", "number", "11", False),
    ("StringLike", "text", "x*", False),
    ("ForAnyValue:StringLike", "texts", ["b*"], True),
    ("ForAllValues:StringEqualsIfExists", "absent", "a", True),
]


@pytest.mark.parametrize(("operator", "key", "wanted", "is_fulfilled"), CASES)
def test_a_condition_is_fulfilled(operator: str, key: str, wanted: Any, is_fulfilled: bool):
    [statement] = policy(allow(Condition={operator: {key.upper(): wanted}}))
    assert are_fulfilled(statement.conditions, CONTEXT) is is_fulfilled


def test_each_operator_has_a_case_that_is_fulfilled_and_one_that_is_not():
    plain = [
        (operator.rpartition(":")[2].removesuffix("IfExists"), answer) for operator, _, _, answer in CASES
    ]
    assert {*OPERATORS, "Null"} == {name for name, answer in plain if answer}
    assert {*OPERATORS, "Null"} == {name for name, answer in plain if not answer}


def test_an_action_is_idle_without_which_all_would_have_been_allowed_that_was():
    statements = policy(
        allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::lake/*", Sid="Objects"),
        allow("s3:Get*", Sid="Twice"),
        allow("s3:ListBucket", Sid="List", Condition={"StringLike": {"s3:prefix": "own/*"}}),
        allow("sqs:*", Sid="Queues"),
    )

    def did(action: str, resource: str, **context: tuple[str, ...]) -> Judgement:
        return Judgement(ROLE, action, resource, True, True, "", "", context)

    bucket = "arn:aws:s3:::lake"
    done = [
        did("s3:GetObject", f"{bucket}/a"),
        did("s3:PutObject", f"{bucket}/a"),
        did("s3:ListBucket", bucket, **{"s3:prefix": ("own/a",)}),
    ]
    assert idle(statements, None, done) == [
        ("Objects", "s3:getobject"),
        ("Twice", "s3:get*"),
        ("Queues", "sqs:*"),
    ]
    named = [replace(one, by=f"arn:aws:sts::0:assumed-role/lake/run-{one.action}") for one in done]
    failing = {action: [one.session for one in runs] for _, action, runs in without(statements, None, named)}
    assert failing == {
        "s3:getobject": [],
        "s3:putobject": ["run-s3:PutObject"],
        "s3:get*": [],
        "s3:listbucket": ["run-s3:ListBucket"],
        "sqs:*": [],
    }
    assert ("Twice", "s3:get*") not in idle(statements, None, [did("s3:GetBucketLocation", bucket)])
    of_others = [did("s3:ListBucket", bucket, **{"s3:prefix": ("other/",)})]
    assert ("List", "s3:listbucket") in idle(statements, None, of_others), "a bucket's policy allowed it"


@pytest.mark.parametrize(
    ("policies", "is_allowed", "reason"),
    [
        (Policies(), False, Reason.IDENTITY),
        (Policies(policy(allow("s3:Get*"))), True, Reason.ALLOWED),
        (Policies(policy(allow("S3:GETOBJECT"))), True, Reason.ALLOWED),
        (Policies(policy(allow("s3:Put*"))), False, Reason.IDENTITY),
        (Policies(policy(allow(), deny("s3:GetObject"))), False, Reason.IDENTITY),
        (
            Policies(policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})),
            True,
            Reason.ALLOWED,
        ),
        (
            Policies(policy({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})),
            False,
            Reason.IDENTITY,
        ),
        (
            Policies(
                policy(allow(), {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::lake/*"})
            ),
            True,
            Reason.ALLOWED,
        ),
        (Policies(policy(allow()), boundary=policy(allow("sqs:*"))), False, Reason.BOUNDARY),
        (Policies(policy(allow()), boundary=policy(allow(), deny("s3:*"))), False, Reason.BOUNDARY),
        (Policies(policy(allow()), session=policy(allow("sqs:*"))), False, Reason.SESSION),
        (
            Policies(policy(allow()), boundary=policy(allow("s3:*")), session=policy(allow("s3:*"))),
            True,
            Reason.ALLOWED,
        ),
        (Policies(policy(allow()), resource=policy(deny(Principal="*"))), False, Reason.RESOURCE),
        (Policies(resource=policy(allow(Principal={"AWS": SESSION}))), True, Reason.ALLOWED),
        (
            Policies(resource=policy(allow(Principal={"AWS": SESSION})), boundary=policy(allow("sqs:*"))),
            True,
            Reason.ALLOWED,
        ),
        (Policies(resource=policy(allow(Principal={"AWS": ROLE}))), True, Reason.ALLOWED),
        (
            Policies(resource=policy(allow(Principal={"AWS": ROLE})), boundary=policy(allow("sqs:*"))),
            False,
            Reason.BOUNDARY,
        ),
        (Policies(resource=policy(allow(Principal={"AWS": ACCOUNT}))), False, Reason.IDENTITY),
        (
            Policies(
                policy(allow()), resource=policy(allow(Principal={"AWS": OTHER})), resource_must_allow=True
            ),
            False,
            Reason.RESOURCE,
        ),
        (
            Policies(
                policy(allow()), resource=policy(allow(Principal={"AWS": ACCOUNT})), resource_must_allow=True
            ),
            True,
            Reason.ALLOWED,
        ),
        (
            Policies(
                policy(allow()),
                resource=policy(
                    {"Effect": "Deny", "NotPrincipal": {"AWS": [USER]}, "Action": "*", "Resource": "*"}
                ),
            ),
            False,
            Reason.RESOURCE,
        ),
    ],
)
def test_a_request_within_an_account(policies: Policies, is_allowed: bool, reason: Reason):
    decision = ask(policies)
    assert (decision.is_allowed, decision.reason) == (is_allowed, reason)


@pytest.mark.parametrize(
    ("policies", "is_allowed", "reason"),
    [
        (Policies(policy(allow())), False, Reason.RESOURCE),
        (Policies(resource=policy(allow(Principal={"AWS": ROLE}))), False, Reason.IDENTITY),
        (Policies(policy(allow()), resource=policy(allow(Principal={"AWS": ROLE}))), True, Reason.ALLOWED),
        (Policies(policy(allow()), resource=policy(allow(Principal={"AWS": ACCOUNT}))), True, Reason.ALLOWED),
        (Policies(policy(allow()), resource=policy(allow(Principal={"AWS": OTHER}))), False, Reason.RESOURCE),
    ],
)
def test_a_request_across_accounts_needs_both_sides(policies: Policies, is_allowed: bool, reason: Reason):
    decision = ask(policies, resource_account=OTHER)
    assert (decision.is_allowed, decision.reason) == (is_allowed, reason)


def test_a_service_is_let_in_by_the_resource_alone_and_under_its_conditions():
    topic = "arn:aws:sns:eu-west-1:111122223333:events"
    statement = allow(
        "sns:Publish",
        topic,
        Principal={"Service": "events.amazonaws.com"},
        Condition={"ArnEquals": {"aws:SourceArn": "arn:aws:events:eu-west-1:111122223333:rule/r"}},
    )
    more = {"principal": "events.amazonaws.com", "role": "", "action": "sns:Publish", "resource": topic}
    policies = Policies(policy(allow()), resource=policy(statement))
    rule = {"aws:sourcearn": ("arn:aws:events:eu-west-1:111122223333:rule/r",)}
    assert ask(policies, context=rule, **more).is_allowed
    assert not ask(policies, **more).is_allowed
    assert not ask(policies, context=rule, **more | {"principal": "s3.amazonaws.com"}).is_allowed


def test_the_root_of_an_account_may_do_what_no_policy_of_a_resource_denies():
    root = {"principal": f"arn:aws:iam::{ACCOUNT}:root", "role": ""}
    assert ask(Policies(), **root).is_allowed
    assert not ask(Policies(resource=policy(deny(Principal="*"))), **root).is_allowed
    assert not ask(Policies(), resource_account=OTHER, **root).is_allowed


def test_a_denial_is_said_in_the_words_of_aws():
    request = Request(SESSION, ACCOUNT, "s3:GetObject", OBJECT, ACCOUNT, role=ROLE)
    head = f"User: {SESSION} is not authorized to perform: s3:GetObject on resource: {OBJECT} "
    implicit = decide(request, Policies())
    assert implicit.sentence(request) == head + (
        "because no identity-based policy allows the s3:GetObject action"
    )
    explicit = decide(request, Policies(policy(deny())))
    assert explicit.sentence(request) == head + "with an explicit deny in an identity-based policy"
    limited = decide(request, Policies(policy(allow()), boundary=policy(deny())))
    assert limited.sentence(request) == head + "with an explicit deny in a permissions boundary"


def test_variables_are_those_of_the_newer_version_alone():
    named = allow(resource="${aws:username}")
    assert ask(Policies(policy(named)), resource="ada", context={"aws:username": ("ada",)}).is_allowed
    older = Policies(policy(named, version="2008-10-17"))
    assert not ask(older, resource="ada", context={"aws:username": ("ada",)}).is_allowed
    assert ask(older, resource="${aws:username}").is_allowed


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "{}",
        {"Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Colour": "red"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*", "Principal": "me"}]},
        {"Statement": ["Allow"]},
        {"Statement": [allow(Condition={"StringSounds": {"aws:username": "ada"}})]},
        {"Statement": [allow(Condition={"StringEquals": "aws:username"})]},
    ],
)
def test_what_is_no_policy_is_refused(document: Any):
    with pytest.raises(MalformedPolicyError):
        read_policy(document)


STATEMENTS = st.builds(
    lambda effect, action, resource: {"Effect": effect, "Action": action, "Resource": resource},
    st.sampled_from(["Allow", "Deny"]),
    st.sampled_from(["*", "s3:*", "s3:GetObject", "s3:Put*", "sqs:*"]),
    st.sampled_from(["*", OBJECT, "arn:aws:s3:::lake/*", "arn:aws:s3:::other/*"]),
)


LISTS = st.lists(STATEMENTS, max_size=4)
PRINCIPALS = st.sampled_from(["*", {"AWS": ACCOUNT}, {"AWS": ROLE}, {"AWS": SESSION}, {"AWS": USER}])
OF_RESOURCE = st.lists(
    st.builds(lambda one, who: one | {"Principal": who}, STATEMENTS, PRINCIPALS), max_size=4
)
KINDS = ("identity", "boundary", "session", "resource")
ALL = st.fixed_dictionaries(
    {
        "identity": LISTS,
        "boundary": st.none() | LISTS,
        "session": st.none() | LISTS,
        "resource": st.none() | OF_RESOURCE,
    }
)
Documents = dict[str, list[dict[str, Any]] | None]


def policies_of(documents: Documents, **more: Any) -> Policies:
    read = {kind: None if one is None else policy(*one) for kind, one in documents.items()}
    return Policies(**read, **more)


def with_one_more(documents: Documents, kind: str, statement: dict[str, Any]) -> Documents:
    """The statement besides those of a kind that there is, or of the identity."""
    kind = kind if documents[kind] is not None else "identity"
    one = statement | ({"Principal": "*"} if kind == "resource" else {})
    return documents | {kind: [*(documents[kind] or ()), one]}


@given(ALL, st.sampled_from(KINDS), st.booleans(), st.sampled_from([ACCOUNT, OTHER]))
def test_a_denial_always_wins(documents: Documents, kind: str, must_allow: bool, owner: str):
    denied = policies_of(with_one_more(documents, kind, deny()), resource_must_allow=must_allow)
    assert not ask(denied, resource_account=owner).is_allowed


@given(ALL, st.sampled_from(KINDS), st.booleans(), st.sampled_from([ACCOUNT, OTHER]))
def test_a_wider_allowance_never_denies(documents: Documents, kind: str, must_allow: bool, owner: str):
    more = {"resource_must_allow": must_allow}
    before = ask(policies_of(documents, **more), resource_account=owner).is_allowed
    wider = policies_of(with_one_more(documents, kind, allow()), **more)
    assert ask(wider, resource_account=owner).is_allowed >= before


@given(ALL, st.randoms(use_true_random=False))
def test_the_order_of_statements_does_not_matter(documents: Documents, random: Random):
    other = {kind: None if one is None else random.sample(one, len(one)) for kind, one in documents.items()}
    found = [ask(policies_of(one)) for one in (documents, other)]
    assert (found[0].is_allowed, found[0].reason) == (found[1].is_allowed, found[1].reason)
