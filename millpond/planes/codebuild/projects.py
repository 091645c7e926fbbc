"""Projects: what a build is made from, with CodeBuild's defaults and limits.

Source: ``CreateProject`` and the type ``Project`` in the CodeBuild API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from millpond.planes.codebuild.exceptions import InvalidInputException
from millpond.planes.common.context import PlaneContext

Shape = dict[str, Any]

SOURCE_TYPES = (
    "BITBUCKET",
    "CODECOMMIT",
    "CODEPIPELINE",
    "GITHUB",
    "GITHUB_ENTERPRISE",
    "GITLAB",
    "GITLAB_SELF_MANAGED",
    "NO_SOURCE",
    "S3",
)
ARTIFACT_TYPES = ("CODEPIPELINE", "NO_ARTIFACTS", "S3")
CACHE_TYPES = ("NO_CACHE", "S3", "LOCAL")
CACHE_MODES = ("LOCAL_DOCKER_LAYER_CACHE", "LOCAL_SOURCE_CACHE", "LOCAL_CUSTOM_CACHE")
VARIABLE_TYPES = ("PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-_]{1,149}")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/.+")
_MINUTES = (5, 2160)
_QUEUED_MINUTES = (5, 480)
_MAX_TAGS = 50
_MAX_SECONDARY = 12
_MEMBERS = (
    "description",
    "source",
    "secondarySources",
    "sourceVersion",
    "secondarySourceVersions",
    "artifacts",
    "secondaryArtifacts",
    "cache",
    "environment",
    "serviceRole",
    "timeoutInMinutes",
    "queuedTimeoutInMinutes",
    "encryptionKey",
    "tags",
    "vpcConfig",
    "logsConfig",
    "fileSystemLocations",
    "buildBatchConfig",
    "concurrentBuildLimit",
    "autoRetryLimit",
)


def define(
    name: str,
    request: Mapping[str, Any],
    *,
    context: PlaneContext,
    now: datetime,
    old: Shape | None = None,
) -> Shape:
    """The ``Project`` structure for a request.

    Parameters
    ----------
    name : str
        The project's name.
    request : mapping
        Of ``CreateProject`` or ``UpdateProject``.
    context : PlaneContext
        Has its account and region.
    now : datetime
        When.
    old : dict, optional
        The project that is updated; what the request does not name stays as it is there.

    Raises
    ------
    InvalidInputException
        If a value is not acceptable.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputException(
            "Project name must be 2 to 150 letters, digits, hyphens and underscores, and begin with a "
            f"letter or digit: {name}"
        )
    project = dict(old) if old else _defaults(name, context, now)
    project |= {member: request[member] for member in _MEMBERS if request.get(member) is not None}
    if request.get("badgeEnabled") is not None:
        project["badge"] = {"badgeEnabled": bool(request["badgeEnabled"])}
    for required in ("source", "artifacts", "environment", "serviceRole"):
        if not project.get(required):
            raise InvalidInputException(f"Invalid input: {required} is required")
    if project.get("concurrentBuildLimit") == -1:
        del project["concurrentBuildLimit"]
    project["source"] = source(project["source"])
    project["secondarySources"] = [source(secondary) for secondary in project["secondarySources"]]
    project["artifacts"] = artifacts(project["artifacts"], name)
    project["secondaryArtifacts"] = [
        artifacts(secondary, name) for secondary in project["secondaryArtifacts"]
    ]
    project["environment"] = environment(project["environment"])
    project["logsConfig"] = logs_config(project["logsConfig"])
    check(project)
    return project | {"lastModified": now}


def check(project: Mapping[str, Any]) -> None:
    """Refuse what CodeBuild refuses in a project, or in a build's overrides of it."""
    _between(project, "timeoutInMinutes", *_MINUTES)
    _between(project, "queuedTimeoutInMinutes", *_QUEUED_MINUTES)
    if "concurrentBuildLimit" in project and int(project["concurrentBuildLimit"]) < 1:
        raise InvalidInputException("Invalid concurrentBuildLimit: it must be at least 1")
    if not 0 <= int(project.get("autoRetryLimit", 0)) <= 10:
        raise InvalidInputException("Invalid autoRetryLimit: it must be between 0 and 10")
    if not _ROLE.fullmatch(project["serviceRole"]):
        raise InvalidInputException(
            f"Invalid service role: {project['serviceRole']} is not the ARN of an IAM role"
        )
    is_pipeline = {
        project["source"]["type"] == "CODEPIPELINE",
        project["artifacts"]["type"] == "CODEPIPELINE",
    }
    if len(is_pipeline) == 2:
        raise InvalidInputException("Source and artifacts must both be CODEPIPELINE, or neither")
    if project["source"]["type"] == "NO_SOURCE" and not project["source"].get("buildspec"):
        raise InvalidInputException("If the source type is NO_SOURCE, a buildspec is required")
    _check_identifiers(project["secondarySources"], "sourceIdentifier")
    _check_identifiers(project["secondaryArtifacts"], "artifactIdentifier")
    _check_cache(project["cache"])
    _check_tags(project.get("tags") or [])


def source(settings: Mapping[str, Any]) -> Shape:
    """A ``ProjectSource`` with its defaults."""
    kind = settings.get("type")
    if kind not in SOURCE_TYPES:
        raise InvalidInputException(
            f"Invalid project source: type {kind} is not one of {', '.join(SOURCE_TYPES)}"
        )
    if kind not in ("NO_SOURCE", "CODEPIPELINE") and not settings.get("location"):
        raise InvalidInputException(f"Invalid project source: location is required for type {kind}")
    if kind == "S3" and "/" not in settings["location"]:
        raise InvalidInputException("Invalid project source: location must be a bucket and a key: bucket/key")
    if int(settings.get("gitCloneDepth") or 0) < 0:
        raise InvalidInputException("Invalid project source: gitCloneDepth must not be negative")
    return {"insecureSsl": False, **settings}


def artifacts(settings: Mapping[str, Any], project_name: str) -> Shape:
    """A ``ProjectArtifacts`` with its defaults."""
    kind = settings.get("type")
    if kind not in ARTIFACT_TYPES:
        raise InvalidInputException(
            f"Invalid artifacts: type {kind} is not one of {', '.join(ARTIFACT_TYPES)}"
        )
    if kind != "S3":
        return dict(settings)
    if not settings.get("location"):
        raise InvalidInputException("Invalid artifacts: location must be the name of a bucket")
    if settings.get("packaging") not in (None, "NONE", "ZIP"):
        raise InvalidInputException(
            f"Invalid artifacts: packaging {settings['packaging']} is not NONE or ZIP"
        )
    if settings.get("namespaceType") not in (None, "NONE", "BUILD_ID"):
        raise InvalidInputException("Invalid artifacts: namespaceType is not NONE or BUILD_ID")
    return {
        "name": project_name,
        "packaging": "NONE",
        "namespaceType": "NONE",
        "encryptionDisabled": False,
        **settings,
    }


def environment(settings: Mapping[str, Any]) -> Shape:
    """A ``ProjectEnvironment`` with its defaults."""
    for required in ("type", "image", "computeType"):
        if not settings.get(required):
            raise InvalidInputException(f"Invalid environment: {required} is required")
    if "WINDOWS" in settings["type"] or "MAC" in settings["type"]:
        raise InvalidInputException(
            f"Invalid environment: builds of type {settings['type']} cannot be run here"
        )
    variables = [{"type": "PLAINTEXT", **variable} for variable in settings.get("environmentVariables") or []]
    for variable in variables:
        if variable["type"] not in VARIABLE_TYPES:
            raise InvalidInputException(f"Invalid environment variable type: {variable['type']}")
    duplicates = _duplicates([variable["name"] for variable in variables])
    if duplicates:
        raise InvalidInputException(f"Duplicate environment variables: {', '.join(duplicates)}")
    defaults = {"privilegedMode": False, "imagePullCredentialsType": "CODEBUILD"}
    return {**defaults, **settings, "environmentVariables": variables}


def logs_config(settings: Mapping[str, Any]) -> Shape:
    """A ``LogsConfig`` with its defaults."""
    s3 = {"status": "DISABLED", "encryptionDisabled": False, **(settings.get("s3Logs") or {})}
    if s3["status"] == "ENABLED" and not s3.get("location"):
        raise InvalidInputException("Invalid logs config: s3Logs needs a location when it is enabled")
    return {"cloudWatchLogs": {"status": "ENABLED", **(settings.get("cloudWatchLogs") or {})}, "s3Logs": s3}


def _defaults(name: str, context: PlaneContext, now: datetime) -> Shape:
    return {
        "name": name,
        "arn": context.arn("codebuild", f"project/{name}"),
        "created": now,
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "encryptionKey": context.arn("kms", "alias/aws/s3"),
        "cache": {"type": "NO_CACHE"},
        "badge": {"badgeEnabled": False},
        "logsConfig": {},
        "secondarySources": [],
        "secondarySourceVersions": [],
        "secondaryArtifacts": [],
        "tags": [],
        "projectVisibility": "PRIVATE",
    }


def _between(project: Mapping[str, Any], member: str, low: int, high: int) -> None:
    if not low <= int(project[member]) <= high:
        raise InvalidInputException(f"Invalid {member}: it must be between {low} and {high}")


def _check_identifiers(items: Sequence[Mapping[str, Any]], member: str) -> None:
    if len(items) > _MAX_SECONDARY:
        raise InvalidInputException(f"At most {_MAX_SECONDARY} secondary sources or artifacts are allowed")
    names = [item.get(member) or "" for item in items]
    if any(not re.fullmatch(r"[A-Za-z0-9_]{1,127}", name) for name in names):
        raise InvalidInputException(f"{member} is required, and may have letters, digits and underscores")
    if _duplicates(names):
        raise InvalidInputException(f"Duplicate {member}: {', '.join(_duplicates(names))}")


def _check_cache(cache: Mapping[str, Any]) -> None:
    if cache.get("type") not in CACHE_TYPES:
        raise InvalidInputException(
            f"Invalid cache: type {cache.get('type')} is not one of {', '.join(CACHE_TYPES)}"
        )
    if cache["type"] == "S3" and not cache.get("location"):
        raise InvalidInputException("Invalid cache: location must be a bucket, with or without a prefix")
    modes = cache.get("modes") or []
    if unknown := [mode for mode in modes if mode not in CACHE_MODES]:
        raise InvalidInputException(f"Invalid cache: modes {', '.join(unknown)} are unknown")
    if cache["type"] == "LOCAL" and not modes:
        raise InvalidInputException("Invalid cache: a local cache needs modes")


def _check_tags(tags: Sequence[Mapping[str, str]]) -> None:
    if len(tags) > _MAX_TAGS:
        raise InvalidInputException(f"A project has at most {_MAX_TAGS} tags")
    if duplicates := _duplicates([tag.get("key", "") for tag in tags]):
        raise InvalidInputException(f"Duplicate tag keys: {', '.join(duplicates)}")


def _duplicates(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
