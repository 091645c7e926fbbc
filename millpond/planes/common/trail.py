"""What acted on what: who read, wrote, looked up or started which thing, each kind once.

The way of data through a platform is made of this, not of names: a line of it is there because a call was
answered, or an object was read as a file. Objects count as the folder that they are in.
The fields are in ``docs/stream.md``.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verb = Literal["reads", "writes", "looks", "starts"]

MOST = 20_000
"""So many passages are kept; beyond, those that were not gone for longest go."""

VERBS: Mapping[str, Verb] = {
    **dict.fromkeys(
        (
            "s3:GetObject",
            "s3:GetObjectVersion",
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:TransactGetItems",
            "dynamodb:PartiQLSelect",
            "dynamodb:GetRecords",
            "sqs:ReceiveMessage",
            "kinesis:GetRecords",
            "kinesis:SubscribeToShard",
            "secretsmanager:GetSecretValue",
            "ssm:GetParameter",
            "ssm:GetParameters",
            "ssm:GetParametersByPath",
            "glue:GetConnection",
        ),
        "reads",
    ),
    **dict.fromkeys(
        (
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:TransactWriteItems",
            "dynamodb:PartiQLInsert",
            "dynamodb:PartiQLUpdate",
            "dynamodb:PartiQLDelete",
            "sqs:SendMessage",
            "sns:Publish",
            "events:PutEvents",
            "kinesis:PutRecord",
            "kinesis:PutRecords",
            "firehose:PutRecord",
            "firehose:PutRecordBatch",
            "secretsmanager:PutSecretValue",
            "ssm:PutParameter",
            "glue:CreateTable",
            "glue:UpdateTable",
            "glue:DeleteTable",
            "glue:CreatePartition",
            "glue:BatchCreatePartition",
            "glue:UpdatePartition",
            "glue:DeletePartition",
            "glue:BatchDeletePartition",
        ),
        "writes",
    ),
    # A table is looked up before it is read and before it is written: other calls say which it was.
    "glue:GetTable": "looks",
    **dict.fromkeys(
        (
            "lambda:InvokeFunction",
            "glue:StartJobRun",
            "glue:StartCrawler",
            "glue:StartTrigger",
            "glue:StartWorkflowRun",
            "states:StartExecution",
            "states:StartSyncExecution",
            "codebuild:StartBuild",
            "athena:StartQueryExecution",
        ),
        "starts",
    ),
}
"""Permissions that move data or start work, by what they do; all the others leave no trail."""

_OBJECT = "arn:aws:s3:::"


@dataclass
class Passage:
    """Something that acted on something.

    Parameters
    ----------
    actor : str
        ARN of what acted: job, function, state machine, build project, rule, bucket; of a role, a user or the
        account where it was nothing of these; ``athena.amazonaws.com`` for a query.
    run : str
        What tells one run of it: the name of its session, which for a job run, a build and a crawl ends with
        their id, or the id of a query; empty where there is none.
    verb : str
        ``reads``, ``writes``, ``looks`` or ``starts``.
    resource : str
        ARN of what it acted on; of objects that of their folder, with a slash at its end.
    count : int
        How often.
    first, last : float
        When, in seconds of the epoch.
    number : int
        Grows with every change of any passage.
    """

    actor: str
    run: str
    verb: Verb
    resource: str
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    number: int = 0


def folder_of(resource: str) -> str:
    """An object's folder, without those of its partition and of files that are not finished.

    >>> folder_of("arn:aws:s3:::lake/raw/orders/day=1/a.parquet")
    'arn:aws:s3:::lake/raw/orders/'
    """
    if not resource.startswith(_OBJECT) or "/" not in resource:
        return resource
    bucket, *folders, _ = resource.split("/")
    kept = []
    for folder in folders:
        if "=" in folder or folder == "_temporary":
            break
        kept.append(folder)
    return "/".join((bucket, *kept, ""))


class Trail:
    """The passages of an engine; any thread may add and read."""

    def __init__(self, most: int = MOST) -> None:
        self._id = uuid.uuid4().hex[:12]
        self._kept: OrderedDict[tuple[str, str, str, str], Passage] = OrderedDict()
        self._most = most
        self._number = 0
        self._lock = threading.Lock()

    def add(self, actor: str, run: str, needed: Iterable[tuple[str, str]]) -> None:
        """Note what was done.

        Parameters
        ----------
        actor, run : str
            As of :class:`Passage`.
        needed : iterable of pairs
            Actions as a policy names them, and the ARN of the resource of each.
        """
        now = time.time()
        for action, resource in needed:
            verb = VERBS.get(action)
            if verb is None or resource == "*":
                continue
            folder = folder_of(resource)
            key = (actor, run, verb, folder)
            with self._lock:
                kept = self._kept.setdefault(key, Passage(actor, run, verb, folder, first=now))
                self._number += 1
                kept.count, kept.last, kept.number = kept.count + 1, now, self._number
                self._kept.move_to_end(key)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)

    def after(self, number: int, trail: str = "") -> dict[str, Any]:
        """The passages that were gone after a number, the last one last.

        Parameters
        ----------
        number : int
            ``next`` of the answer before; 0 for all.
        trail : str
            ``trail`` of the answer before: after a restart of the engine, all of the new one are given.
        """
        passages: list[dict[str, Any]] = []
        with self._lock:
            if trail and trail != self._id:
                number = 0
            for passage in reversed(self._kept.values()):
                if passage.number <= number:
                    break
                passages.append(asdict(passage))
            return {"trail": self._id, "next": self._number, "passages": passages[::-1]}
