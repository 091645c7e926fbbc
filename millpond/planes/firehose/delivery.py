"""Delivers what waits: through the transformation, into one object.

Sources: "Transform source data in Amazon Data Firehose", "Handle failure in data transformation" and
"Configure Amazon S3 object name format" in the Firehose Developer Guide.
"""

from __future__ import annotations

import base64
import gzip
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.firehose import prefixes
from millpond.planes.firehose.streams import DeliveryStream, Waiting

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

DEFAULT_RETRIES = 3
FAILED = "processing-failed"


@dataclass(frozen=True)
class Refused:
    """A record that the transformation did not take."""

    record: Waiting
    code: str
    message: str
    attempts: int


def deliver(
    stream: DeliveryStream, records: Sequence[Waiting], awslambda: LambdaClient, s3: S3Client
) -> None:
    """Put records into the bucket, and those that could not be transformed under the prefix of errors.

    Raises
    ------
    ClientError
        If the bucket does not take them.
    """
    function = stream.processor("Lambda")
    done, refused = list(records), list[Refused]()
    if function is not None:
        done, refused = transform(stream, records, function, awslambda)
    if done:
        delimiter = _delimiter(stream)
        _put(stream, done[0].arrived, b"".join(record.data + delimiter for record in done), s3)
    if refused:
        lines = "".join(json.dumps(_error_line(failed, function or {})) + "\n" for failed in refused)
        _put(stream, refused[0].record.arrived, lines.encode(), s3, error_type=FAILED)


def transform(
    stream: DeliveryStream, records: Sequence[Waiting], function: dict[str, str], awslambda: LambdaClient
) -> tuple[list[Waiting], list[Refused]]:
    """What the function makes of records, and those of which it makes nothing."""
    attempts = 1 + int(function.get("NumberOfRetries", DEFAULT_RETRIES))
    event = {
        "invocationId": str(uuid.uuid4()),
        "deliveryStreamArn": stream.arn,
        "region": stream.arn.split(":")[3],
        **({"sourceKinesisStreamArn": stream.source["KinesisStreamARN"]} if stream.source else {}),
        "records": [_event_record(record) for record in records],
    }
    why = ""
    for _ in range(attempts):
        try:
            answer = awslambda.invoke(FunctionName=function["LambdaArn"], Payload=json.dumps(event).encode())
            content = json.loads(answer["Payload"].read())
        except (ClientError, BotoCoreError, ValueError) as error:
            why = str(error)
            continue
        if "FunctionError" not in answer:
            return _sorted_out(records, content)
        why = f"The Lambda function was invoked, and failed: {json.dumps(content)}"
    return [], [Refused(record, "Lambda.FunctionError", why, attempts) for record in records]


def _sorted_out(records: Sequence[Waiting], content: Any) -> tuple[list[Waiting], list[Refused]]:
    """Records by what the function says of each; one that it does not name has failed."""
    named = content.get("records") if isinstance(content, dict) else None
    answers = {result.get("recordId"): result for result in named or [] if isinstance(result, dict)}
    done, refused = list[Waiting](), list[Refused]()
    for record in records:
        answer = answers.get(record.id)
        result = answer.get("result") if answer else None
        if answer is not None and result == "Ok":
            try:
                done.append(replace(record, data=base64.b64decode(answer["data"], validate=True)))
            except (KeyError, TypeError, ValueError):
                refused.append(Refused(record, "Lambda.InvalidData", "The data is not in Base64.", 1))
        elif result == "ProcessingFailed":
            message = "ProcessingFailed status set for record"
            refused.append(Refused(record, "Lambda.ProcessingFailedStatus", message, 1))
        elif result != "Dropped":
            code = "Lambda.MissingRecordId" if answer is None else "Lambda.InvalidResult"
            refused.append(Refused(record, code, "Each record is answered with its id and a result.", 1))
    return done, refused


def _event_record(record: Waiting) -> dict[str, Any]:
    metadata = {"kinesisRecordMetadata": dict(record.metadata)} if record.metadata else {}
    return {
        "recordId": record.id,
        "approximateArrivalTimestamp": int(record.arrived * 1000),
        "data": base64.b64encode(record.data).decode(),
        **metadata,
    }


def _error_line(failed: Refused, function: dict[str, str]) -> dict[str, Any]:
    return {
        "attemptsMade": failed.attempts,
        "arrivalTimestamp": int(failed.record.arrived * 1000),
        "errorCode": failed.code,
        "errorMessage": failed.message,
        "attemptEndingTimestamp": int(datetime.now(UTC).timestamp() * 1000),
        "rawData": base64.b64encode(failed.record.data).decode(),
        "lambdaArn": function.get("LambdaArn"),
    }


def _delimiter(stream: DeliveryStream) -> bytes:
    parameters = stream.processor("AppendDelimiterToRecord")
    if parameters is None:
        return b""
    return parameters.get("Delimiter", "\\n").encode().decode("unicode_escape").encode()


def _put(
    stream: DeliveryStream, arrived: float, content: bytes, s3: S3Client, error_type: str | None = None
) -> None:
    settings = stream.settings
    moment = datetime.fromtimestamp(arrived, ZoneInfo(settings.get("CustomTimeZone") or "UTC"))
    prefix = settings["Prefix"] if error_type is None else settings.get("ErrorOutputPrefix") or ""
    name = f"{stream.name}-{stream.version}-{moment:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}"
    key = f"{prefixes.evaluate(prefix, moment, error_type)}{name}"
    is_packed = settings["CompressionFormat"] == "GZIP"
    s3.put_object(
        Bucket=settings["BucketARN"].rpartition(":")[2],
        Key=key + (stream.extension if error_type is None else (".gz" if is_packed else "")),
        Body=gzip.compress(content) if is_packed else content,
    )
