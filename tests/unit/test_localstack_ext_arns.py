"""Which ARNs are given their account."""

from __future__ import annotations

import io
from typing import Any

import pytest

from millpond.localstack_ext.engine.arns import complete

JOB = "arn:aws:glue:us-east-1::job/ingest"
COMPLETE = "arn:aws:glue:us-east-1:111122223333:job/ingest"
SFN = "arn:aws:states:::glue:startJobRun.sync"
STREAM = io.BytesIO()


@pytest.mark.parametrize(
    ("request_", "completed"),
    [
        ({"ResourceArn": JOB}, {"ResourceArn": COMPLETE}),
        ({"Targets": [{"Id": "1", "Arn": JOB}]}, {"Targets": [{"Id": "1", "Arn": COMPLETE}]}),
        ({"ResourceARNList": [JOB, COMPLETE]}, {"ResourceARNList": [COMPLETE, COMPLETE]}),
        ({"Resource": "arn:aws-cn:lambda:cn-north-1::function:f"}, None),
        # What is no name, what only contains one, and ARNs that have no account on AWS stay as they are.
        ({"Item": {"arn": {"S": JOB}}}, {"Item": {"arn": {"S": JOB}}}),
        ({"MessageBody": JOB}, {"MessageBody": JOB}),
        ({"TopicArn": f"see {JOB}"}, {"TopicArn": f"see {JOB}"}),
        ({"Arn": "arn:aws:s3:::bucket"}, {"Arn": "arn:aws:s3:::bucket"}),
        (
            {"Arn": "arn:aws:states:::glue:startJobRun.sync"},
            {"Arn": "arn:aws:states:::glue:startJobRun.sync"},
        ),
        (
            {"EventSourceArn": "arn:aws:events:us-east-1::event-source/aws.partner/x"},
            {"EventSourceArn": "arn:aws:events:us-east-1::event-source/aws.partner/x"},
        ),
        ({"FunctionName": "f", "Payload": STREAM}, {"FunctionName": "f", "Payload": STREAM}),
    ],
)
def test_an_arn_without_an_account_is_the_callers(
    request_: dict[str, Any], completed: dict[str, Any] | None
) -> None:
    expected = completed or {"Resource": "arn:aws-cn:lambda:cn-north-1:111122223333:function:f"}
    assert complete(request_, "111122223333") == expected
