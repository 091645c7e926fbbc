"""Tags that no resource can have, and what the services say of them."""

from __future__ import annotations

from typing import Any

import pytest

from millpond.planes.common import constraints, tags
from millpond.planes.common.tags import problem

REQUEST, VALUE = "InvalidRequestException", "InvalidParameterValue"
FIFTY_ONE = {f"k{number}": "v" for number in range(51)}


def pairs(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in tags.items()]


@pytest.mark.parametrize(
    ("service", "operation", "request_", "code", "message"),
    [
        ("athena", "CreateWorkGroup", {"Tags": pairs(FIFTY_ONE)}, REQUEST, "at most 50"),
        ("athena", "TagResource", {"Tags": pairs({"a": "b"}) * 2}, REQUEST, "once"),
        ("sqs", "CreateQueue", {"tags": FIFTY_ONE}, VALUE, "51 were given"),
        ("sns", "TagResource", {"Tags": pairs(FIFTY_ONE)}, "TagLimitExceeded", "at most 50"),
        ("stepfunctions", "TagResource", {"tags": pairs(FIFTY_ONE, "key")}, "TooManyTags", "at most 50"),
        ("dynamodb", "CreateTable", {"Tags": pairs({"k" * 129: "v"})}, "ValidationException", "1 to 128"),
        ("dynamodb", "TagResource", {"Tags": pairs({"k": "v" * 257})}, "ValidationException", "at most 256"),
        ("lambda", "CreateFunction", {"Tags": {"AWS:a": "v"}}, f"{VALUE}Exception", "reserved"),
        ("lambda", "CreateFunction", {"Tags": FIFTY_ONE}, f"{VALUE}Exception", "exceeds resource tag limit"),
        ("glue", "TagResource", {"TagsToAdd": {"aws:a": "v"}}, "InvalidInputException", "reserved"),
        ("s3", "PutBucketTagging", {"Tagging": {"TagSet": pairs(FIFTY_ONE)}}, "BadRequest", "at most 50"),
        ("ec2", "CreateVpc", {"TagSpecifications": [{"Tags": pairs({"aws:a": "v"})}]}, VALUE, "reserved"),
    ],
)  # fmt: skip
def test_tag_that_no_resource_can_have_is_told(
    service: str, operation: str, request_: dict[str, Any], code: str, message: str
) -> None:
    refusal = problem(service, operation, request_)
    assert refusal is not None
    assert refusal[0] == code
    assert message in refusal[1]


@pytest.mark.parametrize(
    ("service", "operation", "request_"),
    [
        ("sqs", "CreateQueue", {"tags": {"k" * 128: "v" * 256, "a": ""}}),
        ("sqs", "CreateQueue", {"QueueName": "a"}),
        ("glue", "ListJobs", {"Tags": {"aws:cloudformation:stack-name": "a"}}),
        ("athena", "UntagResource", {"TagKeys": ["aws:a"]}),
        ("kms", "CreateKey", {"Tags": [{"TagKey": "aws:a", "TagValue": "b"}]}),
        ("ec2", "CreateVpc", {"TagSpecifications": [{"ResourceType": "vpc"}]}),
        ("sqs", "TagQueue", {"Tags": ["a", None]}),
    ],
)  # fmt: skip
def test_other_requests_are_let_through(service: str, operation: str, request_: dict[str, Any]) -> None:
    assert problem(service, operation, request_) is None


def test_every_service_of_the_table_has_an_operation_that_gives_tags() -> None:
    for service in tags.CODES:
        names = constraints.model(service).operation_names
        assert any(tags._places(service, name) for name in names), service


def test_keys_of_a_map_are_held_against_the_model() -> None:
    request = {"ResourceArn": "arn:aws:glue:eu-west-1:000000000000:job/a", "TagsToAdd": {"k" * 129: "v"}}
    (error,) = constraints.problems("glue", "TagResource", request)
    assert "at 'tagsToAdd' failed to satisfy constraint: Map keys must satisfy constraint: [" in error
    assert "less than or equal to 128" in error
