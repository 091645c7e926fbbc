"""``AWS::CodeBuild::Project`` for CloudFormation, made by the plane through its API.

Source: "AWS::CodeBuild::Project" in the CloudFormation Template Reference: its properties are those of the
API with a capital first letter; ``Triggers``, ``Visibility`` and ``ResourceAccessRole`` belong to other
operations, and are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import localstack.services.cloudformation.provider_utils as util
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)

Properties = dict[str, Any]

_OPTIONAL = {
    "Description": "",
    "SecondarySources": [],
    "SourceVersion": "",
    "SecondarySourceVersions": [],
    "SecondaryArtifacts": [],
    "Cache": {"type": "NO_CACHE"},
    "TimeoutInMinutes": 60,
    "QueuedTimeoutInMinutes": 480,
    "Tags": [],
    "BadgeEnabled": False,
    "LogsConfig": {},
    "FileSystemLocations": [],
    "ConcurrentBuildLimit": -1,
    "AutoRetryLimit": 0,
}
_PROPERTIES = (
    *_OPTIONAL,
    "Artifacts",
    "BuildBatchConfig",
    "EncryptionKey",
    "Environment",
    "Name",
    "ResourceAccessRole",
    "ServiceRole",
    "Source",
    "Triggers",
    "Visibility",
    "VpcConfig",
)
_NUMBERS = (
    "timeoutInMinutes",
    "queuedTimeoutInMinutes",
    "concurrentBuildLimit",
    "autoRetryLimit",
    "gitCloneDepth",
)
_BOOLEANS = (
    "badgeEnabled",
    "encryptionDisabled",
    "fetchSubmodules",
    "insecureSsl",
    "overrideArtifactName",
    "privilegedMode",
    "reportBuildStatus",
)
_REFUSED = ("Triggers", "Visibility", "ResourceAccessRole")


class CodeBuildProjectProvider(ResourceProvider[Properties]):
    """Creates, changes, reads and deletes a project; ``Ref`` is its name."""

    TYPE = "AWS::CodeBuild::Project"
    SCHEMA: Properties = {  # noqa: RUF012 (LocalStack's base declares it so)
        "typeName": TYPE,
        "primaryIdentifier": ["/properties/Name"],
        "createOnlyProperties": ["/properties/Name"],
        "readOnlyProperties": ["/properties/Id", "/properties/Arn"],
        "required": ["Artifacts", "Environment", "ServiceRole", "Source"],
        "properties": {name: {} for name in (*_PROPERTIES, "Id", "Arn")},
    }

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        model = request.desired_state
        if unknown := [name for name in model if name not in _PROPERTIES or name in _REFUSED]:
            return self._failed(request, f"The properties {', '.join(unknown)} are not available here")
        if not model.get("Name"):
            model["Name"] = util.generate_default_name(request.stack_name, request.logical_resource_id)
        made = request.aws_client_factory.codebuild.create_project(**to_api(model))["project"]
        return self._succeeded(request, dict(made))

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        model = {
            **_OPTIONAL,
            **request.desired_state,
            "Name": (request.previous_state or request.desired_state)["Name"],
        }
        if unknown := [name for name in model if name not in _PROPERTIES or name in _REFUSED]:
            return self._failed(request, f"The properties {', '.join(unknown)} are not available here")
        made = request.aws_client_factory.codebuild.update_project(**to_api(model))["project"]
        return self._succeeded(request, dict(made))

    def delete(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        request.aws_client_factory.codebuild.delete_project(
            name=(request.previous_state or request.desired_state)["Name"]
        )
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={})

    def read(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        name = request.desired_state["Name"]
        projects = request.aws_client_factory.codebuild.batch_get_projects(names=[name])["projects"]
        if not projects:
            return self._failed(request, f"Project {name} was not found")
        return ProgressEvent(
            status=OperationStatus.SUCCESS, resource_model=to_cloudformation(dict(projects[0]))
        )

    def _succeeded(
        self, request: ResourceRequest[Properties], project: Properties
    ) -> ProgressEvent[Properties]:
        model = {
            **request.desired_state,
            "Name": project["name"],
            "Id": project["name"],
            "Arn": project["arn"],
        }
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    def _failed(self, request: ResourceRequest[Properties], message: str) -> ProgressEvent[Properties]:
        return ProgressEvent(
            status=OperationStatus.FAILED, resource_model=request.previous_state or {}, message=message
        )


def to_api(model: Properties) -> Properties:
    """Properties of the template as members of ``CreateProject``."""
    converted: Properties = _renamed(model, lambda name: name[0].lower() + name[1:])
    for source in (converted.get("source", {}), *converted.get("secondarySources", [])):
        if "buildSpec" in source:
            source["buildspec"] = source.pop("buildSpec")
    return converted


def to_cloudformation(project: Properties) -> Properties:
    """A ``Project`` of the API as properties of the template."""
    model: Properties = _renamed(project, lambda name: name[0].upper() + name[1:])
    for source in (model.get("Source", {}), *model.get("SecondarySources", [])):
        if "Buildspec" in source:
            source["BuildSpec"] = source.pop("Buildspec")
    model["BadgeEnabled"] = model.pop("Badge", {}).get("BadgeEnabled", False)
    kept = {name: value for name, value in model.items() if name in _PROPERTIES}
    return kept | {"Id": project["name"], "Arn": project["arn"]}


def _renamed(value: Any, rename: Callable[[str], str], name: str = "") -> Any:
    if isinstance(value, dict):
        return {
            rename(key): _renamed(item, rename, rename(key))
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [_renamed(item, rename, name) for item in value]
    if isinstance(value, str) and name in _NUMBERS:
        return int(value)
    if isinstance(value, str) and name in _BOOLEANS:
        return value.lower() == "true"
    return value
