"""The environment variables of a build.

Source: "Environment variables in build environments" and the section ``env`` of the buildspec reference in
the CodeBuild User Guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from millpond.planes.codebuild.builds import Build
from millpond.planes.codebuild.buildspec import Buildspec
from millpond.planes.codebuild.exceptions import PhaseFailure

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Variable:
    """A variable, and where its value comes from: ``PLAINTEXT`` or the name of a service."""

    name: str
    value: str
    type: str = "PLAINTEXT"


def wanted(config: Mapping[str, Any], buildspec: Buildspec) -> list[Variable]:
    """The variables that a build asks for; what the project says wins over the buildspec."""
    of_buildspec = [
        *(Variable(name, value) for name, value in buildspec.variables.items()),
        *(Variable(name, value, "PARAMETER_STORE") for name, value in buildspec.parameter_store.items()),
        *(Variable(name, value, "SECRETS_MANAGER") for name, value in buildspec.secrets_manager.items()),
    ]
    of_project = [
        Variable(variable["name"], variable["value"], variable.get("type", "PLAINTEXT"))
        for variable in config["environment"]["environmentVariables"]
    ]
    return list({variable.name: variable for variable in (*of_buildspec, *of_project)}.values())


def resolve(
    variables: Sequence[Variable], ssm: SSMClient, secrets_manager: SecretsManagerClient
) -> tuple[dict[str, str], list[str]]:
    """The values of variables, and those of them that no log may show.

    Parameters
    ----------
    variables : sequence of Variable
        What is asked for.
    ssm, secrets_manager : client
        Act for the build's role.

    Raises
    ------
    PhaseFailure
        If a parameter or a secret cannot be read.
    """
    values: dict[str, str] = {}
    hidden: list[str] = []
    for variable in variables:
        match variable.type:
            case "PARAMETER_STORE":
                values[variable.name] = _parameter(ssm, variable.value)
            case "SECRETS_MANAGER":
                values[variable.name] = _secret(secrets_manager, variable.value)
            case _:
                values[variable.name] = variable.value
                continue
        hidden.append(values[variable.name])
    return values, hidden


@dataclass(frozen=True)
class SecretReference:
    """``secret-id:json-key:version-stage:version-id``, of which the first may be an ARN."""

    secret_id: str
    json_key: str = ""
    version_stage: str = ""
    version_id: str = ""

    @classmethod
    def parse(cls, text: str) -> SecretReference:
        parts = text.split(":")
        length = 7 if text.startswith("arn:") else 1
        return cls(":".join(parts[:length]), *parts[length : length + 3])


def built_in(build: Build, directories: Mapping[str, Path], region: str) -> dict[str, str]:
    """The variables that CodeBuild gives every build.

    Parameters
    ----------
    build : Build
        Which one; its sources have been fetched.
    directories : mapping
        Identifier of each source, empty for the primary one, to its directory.
    region : str
        AWS region.
    """
    config = build.config
    variables = {
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "CODEBUILD_BUILD_ARN": build.arn,
        "CODEBUILD_BUILD_ID": build.id,
        "CODEBUILD_BUILD_IMAGE": config["environment"]["image"],
        "CODEBUILD_BUILD_NUMBER": str(build.number),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_CI": "true",
        "CODEBUILD_INITIATOR": build.initiator,
        "CODEBUILD_KMS_KEY_ID": config["encryptionKey"],
        "CODEBUILD_LOG_PATH": build.logs.get("streamName", build.uuid),
        "CODEBUILD_START_TIME": str(int(build.start.timestamp() * 1000)),
    }
    for identifier, source in _sources(config):
        suffix = f"_{identifier}" if identifier else ""
        variables |= {
            f"CODEBUILD_SRC_DIR{suffix}": str(directories[identifier]),
            f"CODEBUILD_SOURCE_REPO_URL{suffix}": source.get("location", ""),
            f"CODEBUILD_SOURCE_VERSION{suffix}": source_version(config, identifier) or "",
            f"CODEBUILD_RESOLVED_SOURCE_VERSION{suffix}": build.resolved_versions.get(identifier, ""),
        }
    return variables


def source_version(config: Mapping[str, Any], identifier: str) -> str | None:
    """Branch, tag, commit or object version that a build wants of a source."""
    if not identifier:
        return config.get("sourceVersion")
    for entry in config.get("secondarySourceVersions") or []:
        if entry["sourceIdentifier"] == identifier:
            return str(entry["sourceVersion"])
    return None


def masked(text: str, hidden: Sequence[str]) -> str:
    """Text with every hidden value as ``***``; values under three characters would hide anything."""
    for value in hidden:
        for line in value.splitlines():
            if len(line) >= 3:
                text = text.replace(line, "***")
    return text


def _sources(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", config["source"]
    for source in config["secondarySources"]:
        yield source["sourceIdentifier"], source


def _parameter(ssm: SSMClient, name: str) -> str:
    try:
        return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            raise _undecrypted(f"parameter does not exist: {name}") from error
        raise _undecrypted(f"parameter {name}: {_words(error)}") from error


def _secret(secrets_manager: SecretsManagerClient, text: str) -> str:
    reference = SecretReference.parse(text)
    arguments = {"SecretId": reference.secret_id}
    if reference.version_stage:
        arguments["VersionStage"] = reference.version_stage
    if reference.version_id:
        arguments["VersionId"] = reference.version_id
    try:
        answer = secrets_manager.get_secret_value(**arguments)
    except ClientError as error:
        raise _undecrypted(f"secret {reference.secret_id}: {_words(error)}") from error
    if "SecretString" not in answer:
        raise _undecrypted(f"secret {reference.secret_id} is not text")
    if not reference.json_key:
        return str(answer["SecretString"])
    try:
        value = json.loads(answer["SecretString"])[reference.json_key]
    except (ValueError, KeyError, TypeError):
        raise _undecrypted(f"secret {reference.secret_id} has no JSON key {reference.json_key}") from None
    return value if isinstance(value, str) else json.dumps(value)


def _undecrypted(message: str) -> PhaseFailure:
    return PhaseFailure("Decrypted Variables Error", message)


def _words(error: ClientError) -> str:
    return f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"
