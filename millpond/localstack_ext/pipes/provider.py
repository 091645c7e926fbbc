"""EventBridge Pipes: kept, changed, started and stopped, and run by a worker each.

Source: the EventBridge Pipes API Reference. Sources are queues of SQS, streams of Kinesis and of DynamoDB;
another source, target or enrichment is refused by name when the pipe is made. Failed batches of a queue come
again after its visibility timeout; those of a stream are tried again as its parameters say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localstack.services.plugins import ServiceLifecycleHook
from localstack.state.core import StateVisitor

from millpond.localstack_ext.events import transformers
from millpond.localstack_ext.pipes import templates
from millpond.localstack_ext.pipes.targets import ValidationException, check
from millpond.localstack_ext.pipes.workers import Worker, check_source, forget
from millpond.planes.common.errors import AwsError
from millpond.planes.common.operations import Operations

Request = Mapping[str, Any]
Shape = dict[str, Any]

OPERATIONS = Operations(
    "pipes",
    own=(
        "CreatePipe",
        "DeletePipe",
        "DescribePipe",
        "ListPipes",
        "ListTagsForResource",
        "StartPipe",
        "StopPipe",
        "TagResource",
        "UntagResource",
        "UpdatePipe",
    ),
    is_checked=True,
)
_KEPT = (
    "Description",
    "Enrichment",
    "EnrichmentParameters",
    "KmsKeyIdentifier",
    "LogConfiguration",
    "RoleArn",
    "SourceParameters",
    "TargetParameters",
    "Target",
)
_SUMMARY = (
    "Arn",
    "CreationTime",
    "CurrentState",
    "DesiredState",
    "Enrichment",
    "LastModifiedTime",
    "Name",
    "Source",
    "Target",
)
_CHANGED = ("Arn", "CreationTime", "CurrentState", "DesiredState", "LastModifiedTime", "Name")


class NotFoundException(AwsError):  # noqa: N818 - as AWS names it
    """There is no such pipe."""

    code = "NotFoundException"
    status_code = 404


class ConflictException(AwsError):  # noqa: N818 - as AWS names it
    """There is one already."""

    code = "ConflictException"
    status_code = 409


class Pipes:
    """The pipes of one account and region; each method is an operation."""

    def __init__(
        self, account_id: str, region: str, kept: dict[str, Shape], workers: dict[str, Worker]
    ) -> None:
        self._prefix = f"arn:aws:pipes:{region}:{account_id}:pipe/"
        self._kept = kept
        self._workers = workers

    def create_pipe(self, request: Request) -> Shape:
        name = request["Name"]
        if name in self._kept:
            raise ConflictException(f"Pipe {name} already exists.")
        now = datetime.now(UTC)
        pipe = {
            "Arn": f"{self._prefix}{name}",
            "Name": name,
            "Source": request["Source"],
            "CreationTime": now,
            "LastModifiedTime": now,
            "Tags": dict(request.get("Tags") or {}),
            "DesiredState": request.get("DesiredState") or "RUNNING",
            **_attributes(request),
        }
        _check(pipe)
        return self._put(pipe)

    def update_pipe(self, request: Request) -> Shape:
        """Change a pipe: what is not given is no longer there, but for its state and source."""
        before = self._of(request)
        pipe = {
            **{name: value for name, value in before.items() if name not in _KEPT},
            "Target": before["Target"],
            "DesiredState": request.get("DesiredState") or before["DesiredState"],
            **_attributes(request),
            "SourceParameters": _updated(before, request),
        }
        _check(pipe)
        self._halt(pipe)
        return self._put({**pipe, "LastModifiedTime": datetime.now(UTC)})

    def describe_pipe(self, request: Request) -> Shape:
        return dict(self._of(request))

    def list_pipes(self, request: Request) -> Shape:
        def is_asked_for(pipe: Shape) -> bool:
            return (
                pipe["Name"].startswith(request.get("NamePrefix") or "")
                and pipe["Source"].startswith(request.get("SourcePrefix") or "")
                and pipe["Target"].startswith(request.get("TargetPrefix") or "")
                and request.get("DesiredState") in (None, pipe["DesiredState"])
                and request.get("CurrentState") in (None, pipe["CurrentState"])
            )

        return {"Pipes": [_part(pipe, _SUMMARY) for pipe in self._kept.values() if is_asked_for(pipe)]}

    def delete_pipe(self, request: Request) -> Shape:
        pipe = self._of(request)
        self._halt(pipe)
        del self._kept[pipe["Name"]]
        forget(pipe["Arn"])
        return {**_part(pipe, _CHANGED), "CurrentState": "DELETING", "DesiredState": "DELETED"}

    def start_pipe(self, request: Request) -> Shape:
        return self._turn(request, "RUNNING")

    def stop_pipe(self, request: Request) -> Shape:
        return self._turn(request, "STOPPED")

    def tag_resource(self, request: Request) -> Shape:
        self._tags(request).update(request["tags"])
        return {}

    def untag_resource(self, request: Request) -> Shape:
        for key in request["tagKeys"]:
            self._tags(request).pop(key, None)
        return {}

    def list_tags_for_resource(self, request: Request) -> Shape:
        return {"tags": dict(self._tags(request))}

    def bring_back(self) -> None:
        """Run what runs, after the pipes were loaded."""
        for pipe in self._kept.values():
            self._put(pipe)

    def _turn(self, request: Request, state: str) -> Shape:
        pipe = self._of(request)
        self._halt(pipe)
        return self._put({**pipe, "DesiredState": state, "LastModifiedTime": datetime.now(UTC)})

    def _put(self, pipe: Shape) -> Shape:
        """Keep a pipe, and let it run if it is to."""
        pipe["CurrentState"] = pipe["DesiredState"]
        pipe["StateReason"] = "USER_INITIATED"
        self._kept[pipe["Name"]] = pipe
        if pipe["DesiredState"] == "RUNNING":
            self._workers[pipe["Arn"]] = Worker(pipe)
        return _part(pipe, _CHANGED)

    def _halt(self, pipe: Shape) -> None:
        if (worker := self._workers.pop(pipe["Arn"], None)) is not None:
            worker.stop()

    def _of(self, request: Request) -> Shape:
        name = request["Name"]
        if name not in self._kept:
            raise NotFoundException(f"Pipe {name} does not exist.")
        return self._kept[name]

    def _tags(self, request: Request) -> dict[str, str]:
        arn = request["resourceArn"]
        name = arn.removeprefix(self._prefix)
        if name == arn or name not in self._kept:
            raise NotFoundException(f"Pipe {arn} does not exist.")
        tags: dict[str, str] = self._kept[name]["Tags"]
        return tags


class AllPipes(ServiceLifecycleHook):
    """The pipes of every account and region, as a provider of LocalStack's shows what it keeps."""

    service = "pipes"

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[str, Shape]] = {}
        self._workers: dict[str, Worker] = {}

    def of(self, account_id: str, region: str) -> Pipes:
        """The pipes of an account and region."""
        return Pipes(account_id, region, self._kept.setdefault((account_id, region), {}), self._workers)

    def accept_state_visitor(self, visitor: StateVisitor) -> None:
        container: Any = self._kept
        visitor.visit(container)

    def on_before_stop(self) -> None:
        self._halt()

    def on_before_state_load(self) -> None:
        self._halt()

    def on_before_state_reset(self) -> None:
        self._halt()

    def on_after_state_load(self) -> None:
        for account_id, region in self._kept:
            self.of(account_id, region).bring_back()

    def _halt(self) -> None:
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()


def _attributes(request: Request) -> Shape:
    return {name: request[name] for name in _KEPT if request.get(name) is not None}


def _updated(before: Shape, request: Request) -> Shape:
    """Source parameters: an update cannot change where a stream is begun, so that stays."""
    parameters = dict(request.get("SourceParameters") or {})
    for member, earlier in (before.get("SourceParameters") or {}).items():
        if member != "FilterCriteria":
            parameters[member] = {**earlier, **(parameters.get(member) or {})}
    return parameters


def _check(pipe: Shape) -> None:
    check_source(pipe)
    check(pipe)
    for name in ("EnrichmentParameters", "TargetParameters"):
        template = (pipe.get(name) or {}).get("InputTemplate")
        try:
            if template:
                templates.check(template)
        except transformers.InvalidTransformerError as error:
            raise ValidationException(f"Invalid InputTemplate: {error}") from error


def _part(pipe: Shape, names: tuple[str, ...]) -> Shape:
    return {name: pipe[name] for name in names if name in pipe}
