"""The buildspec: what a build does, read from YAML.

Source: "Build specification reference for CodeBuild" in the AWS CodeBuild User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from millpond.planes.codebuild.exceptions import BuildspecError
from millpond.planes.common.regexes import Regex, RegexError

PHASES = ("install", "pre_build", "build", "post_build")
SHELLS = ("sh", "bash")
VERSIONS = ("0.1", "0.2")
DEFAULT_RETRIES = 3
_MAX_RETRIES = 100
_YES = ("yes", "true", "on")
_RETRY = re.compile(r"RETRY(?:-(?P<count>\d+))?(?:-(?P<pattern>.+))?")


@dataclass(frozen=True)
class OnFailure:
    """What happens when a command of a phase fails.

    Parameters
    ----------
    action : str
        ``ABORT``, ``CONTINUE``, ``RETRY``, or empty for the usual transition.
    retries : int
        With ``RETRY``: how many more builds are tried.
    pattern : str
        With ``RETRY``: the message of the failure has to match it.
    """

    action: str = ""
    retries: int = 0
    pattern: str = ".*"


@dataclass(frozen=True)
class PhaseSpec:
    """One phase."""

    commands: tuple[str, ...] = ()
    finally_commands: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure()
    run_as: str | None = None
    runtime_versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileSet:
    """Files of an artifact or a report.

    Parameters
    ----------
    files, exclude_paths : tuple of str
        Patterns below ``base_directory``.
    base_directory : str
        Relative to the source directory; empty for that itself.
    discard_paths : bool
        Whether only the file's name is kept.
    name : str
        Name of the artifact, which the shell expands.
    file_format : str
        Of a report.
    """

    files: tuple[str, ...]
    exclude_paths: tuple[str, ...] = ()
    base_directory: str = ""
    discard_paths: bool = False
    name: str = ""
    file_format: str = "JUNITXML"


@dataclass(frozen=True)
class Buildspec:
    """A buildspec, checked."""

    version: str
    phases: Mapping[str, PhaseSpec]
    run_as: str | None = None
    shell: str = "sh"
    variables: Mapping[str, str] = field(default_factory=dict)
    parameter_store: Mapping[str, str] = field(default_factory=dict)
    secrets_manager: Mapping[str, str] = field(default_factory=dict)
    exported_variables: tuple[str, ...] = ()
    uses_git_credential_helper: bool = False
    reports: Mapping[str, FileSet] = field(default_factory=dict)
    artifacts: FileSet | None = None
    secondary_artifacts: Mapping[str, FileSet] = field(default_factory=dict)
    cache_paths: tuple[str, ...] = ()
    has_batch: bool = False

    def run_as_of(self, phase: str) -> str | None:
        """Who runs the commands of a phase; None for the user of the build."""
        return self.phases.get(phase, PhaseSpec()).run_as or self.run_as


def parse(text: str) -> Buildspec:
    """Read a buildspec.

    Parameters
    ----------
    text : str
        YAML.

    Raises
    ------
    BuildspecError
        If it is not YAML, or not a buildspec; the text says what and where.
    """
    try:
        # Every scalar stays as written: CodeBuild takes version numbers and variables as text.
        content = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (makes strings, lists and dicts only)
    except yaml.YAMLError as error:
        raise BuildspecError(f"YAML file is not valid: {_one_line(error)}") from error
    if not isinstance(content, dict):
        raise BuildspecError("YAML file is empty or is not a mapping")
    version = content.get("version", "")
    if version not in VERSIONS:
        raise BuildspecError(f"invalid buildspec version {version!r}, supported versions: 0.1, 0.2")
    env = _mapping(content, "env")
    artifacts = _mapping(content, "artifacts")
    secondary = _mapping(artifacts, "secondary-artifacts")
    return Buildspec(
        version=version,
        phases=_phases(content),
        run_as=content.get("run-as") or None,
        shell=_shell(env),
        variables=_strings(env, "variables"),
        parameter_store=_strings(env, "parameter-store"),
        secrets_manager=_strings(env, "secrets-manager"),
        exported_variables=_list(env, "exported-variables"),
        uses_git_credential_helper=_flag(env, "git-credential-helper"),
        reports={
            name: _file_set(group, f"reports.{name}") for name, group in _mapping(content, "reports").items()
        },
        artifacts=_file_set(artifacts, "artifacts") if artifacts.get("files") else None,
        secondary_artifacts={
            name: _file_set(artifact, f"secondary-artifacts.{name}") for name, artifact in secondary.items()
        },
        cache_paths=_list(_mapping(content, "cache"), "paths"),
        has_batch="batch" in content,
    )


def _phases(content: Mapping[str, Any]) -> dict[str, PhaseSpec]:
    phases = _mapping(content, "phases")
    if not phases:
        raise BuildspecError("phases is required, and must name at least one phase")
    for name in phases:
        if name not in PHASES:
            raise BuildspecError(f"unknown phase {name!r} found, expecting one of: {', '.join(PHASES)}")
    return {name: _phase(name, _mapping(phases, name)) for name in PHASES if name in phases}


def _phase(name: str, phase: Mapping[str, Any]) -> PhaseSpec:
    versions = _strings(phase, "runtime-versions")
    if versions and name != "install":
        raise BuildspecError("runtime-versions is only supported in the install phase")
    commands, finally_commands = _commands(phase, "commands"), _commands(phase, "finally")
    if not commands and not finally_commands and not versions:
        raise BuildspecError(f"the phase {name} has no commands")
    return PhaseSpec(
        commands=commands,
        finally_commands=finally_commands,
        on_failure=parse_on_failure(phase.get("on-failure", "")),
        run_as=phase.get("run-as") or None,
        runtime_versions=versions,
    )


def parse_on_failure(text: str) -> OnFailure:
    """``ABORT``, ``CONTINUE``, ``RETRY``, ``RETRY-count``, ``RETRY-regex`` or ``RETRY-count-regex``."""
    if text in ("", "ABORT", "CONTINUE"):
        return OnFailure(text)
    match = _RETRY.fullmatch(text)
    if match is None:
        raise BuildspecError(f"invalid on-failure value {text!r}, expecting ABORT, CONTINUE or RETRY")
    retries = int(match["count"] or DEFAULT_RETRIES)
    pattern = match["pattern"] or ".*"
    if retries > _MAX_RETRIES:
        raise BuildspecError(f"invalid on-failure value {text!r}: the count must be between 0 and 100")
    try:
        Regex(pattern)
    except RegexError as error:
        raise BuildspecError(f"invalid on-failure value {text!r}: {error}") from error
    return OnFailure("RETRY", retries, pattern)


def _shell(env: Mapping[str, Any]) -> str:
    shell = env.get("shell", "") or "sh"
    if shell not in SHELLS:
        raise BuildspecError(f"unsupported shell {shell!r} for Linux, expecting one of: {', '.join(SHELLS)}")
    return str(shell)


def _file_set(file_set: Any, where: str) -> FileSet:
    if not isinstance(file_set, dict):
        raise BuildspecError(f"{where} must be a mapping")
    files = _list(file_set, "files")
    if not files:
        raise BuildspecError(f"{where} has no files")
    return FileSet(
        files=files,
        exclude_paths=_list(file_set, "exclude-paths"),
        base_directory=file_set.get("base-directory", ""),
        discard_paths=_flag(file_set, "discard-paths"),
        name=file_set.get("name", ""),
        file_format=(file_set.get("file-format") or "JUNITXML").upper(),
    )


def _commands(section: Mapping[str, Any], key: str) -> tuple[str, ...]:
    commands = section.get(key) or []
    if not isinstance(commands, list):
        raise BuildspecError(f"{key} must be a list of strings")
    for index, command in enumerate(commands):
        if not isinstance(command, str):
            raise BuildspecError(f"Expected Commands[{index}] to be of string type: found subkeys instead")
    return tuple(commands)


def _list(section: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = section.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BuildspecError(f"{key} must be a list of strings")
    return tuple(values)


def _mapping(section: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = section.get(key) or {}
    if not isinstance(value, dict):
        raise BuildspecError(f"{key} must be a mapping")
    return value


def _strings(section: Mapping[str, Any], key: str) -> dict[str, str]:
    values = _mapping(section, key)
    for name, value in values.items():
        if not isinstance(value, str):
            raise BuildspecError(f"{key}.{name} must be a string")
    return values


def _flag(section: Mapping[str, Any], key: str) -> bool:
    return str(section.get(key, "")).lower() in _YES


def _one_line(error: yaml.YAMLError) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()
