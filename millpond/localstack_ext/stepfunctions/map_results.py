"""What a distributed Map gives back of its children, and what its ``ResultWriter`` writes of them.

Source: "ResultWriter (Map)" in the Step Functions developer guide: ``manifest.json`` and the files of the
executions that have succeeded, failed and were not started, in a folder of the Map Run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Shape = Mapping[str, Any]

NONE, COMPACT, FLATTEN = "NONE", "COMPACT", "FLATTEN"


def transformed(children: Iterable[Shape], transformation: str) -> list[Any]:
    """The results of children.

    Parameters
    ----------
    children : iterable of mapping
        What each is, as :func:`details` tells it.
    transformation : str
        ``NONE`` for the details, ``COMPACT`` for the outputs, ``FLATTEN`` for the elements of the outputs
        that are arrays.
    """
    if transformation == NONE:
        return list(children)
    outputs = [json.loads(child["Output"]) if "Output" in child else None for child in children]
    if transformation == COMPACT:
        return outputs
    return [part for output in outputs for part in (output if isinstance(output, list) else [output])]


def details(execution: Any) -> Shape:
    """A child as the result files show it; inputs and outputs are texts of JSON."""
    shown = execution.to_describe_output()
    names = {
        "ExecutionArn": "executionArn",
        "Input": "input",
        "Name": "name",
        "Output": "output",
        "Error": "error",
        "Cause": "cause",
        "RedriveCount": "redriveCount",
        "RedriveStatus": "redriveStatus",
        "StartDate": "startDate",
        "StateMachineArn": "stateMachineArn",
        "Status": "status",
        "StopDate": "stopDate",
    }
    details_of_child = {name: shown[key] for name, key in names.items() if shown.get(key) is not None}
    if "Output" in details_of_child:
        details_of_child["OutputDetails"] = {"Included": True}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in {**details_of_child, "InputDetails": {"Included": True}}.items()
    }


def write(
    s3: S3Client, bucket: str, prefix: str, map_run_arn: str, results: Mapping[str, list[Any]], kind: str
) -> Shape:
    """Write the results of a Map Run; its output.

    Parameters
    ----------
    s3 : client
        Writes the files.
    bucket, prefix : str
        ``Parameters`` of the ``ResultWriter``.
    map_run_arn : str
        Its last part is the folder.
    results : mapping of str to list
        Results by ``SUCCEEDED``, ``FAILED`` and ``PENDING``.
    kind : str
        ``JSON`` or ``JSONL``.
    """
    folder = "/".join(part for part in (prefix.strip("/"), map_run_arn.rsplit(":", 1)[1]) if part)
    files: dict[str, list[Shape]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, these in results.items():
        if these:
            key, body = f"{folder}/{status}_0.{kind.lower()}", _file(these, kind)
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            files[status].append({"Key": key, "Size": len(body)})
    manifest = {"DestinationBucket": bucket, "MapRunArn": map_run_arn, "ResultFiles": files}
    key = f"{folder}/manifest.json"
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())
    return {"MapRunArn": map_run_arn, "ResultWriterDetails": {"Bucket": bucket, "Key": key}}


def _file(results: Iterable[Any], kind: str) -> bytes:
    if kind == "JSONL":
        return "".join(f"{json.dumps(result)}\n" for result in results).encode()
    return json.dumps(list(results)).encode()
