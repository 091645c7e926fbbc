"""What a folder holds that can be deployed or run, found by looking at its files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

# Folders that nobody writes by hand.
_PASSED_OVER = {"node_modules", "venv", "site-packages", "__pycache__", "cdk.out", "dist", "build", "target"}
_LARGEST_BYTES = 1_000_000
_DEEPEST = 6

_SAM = re.compile(r"AWS::Serverless-2016-10-31")
_CLOUDFORMATION = re.compile(
    r"^AWSTemplateFormatVersion\s*:|\"AWSTemplateFormatVersion\"\s*:|^Resources\s*:(?=[\s\S]*?Type:\s*[\"']?AWS::)",
    re.MULTILINE,
)
_MODULE_SOURCE = re.compile(r"^\s*source\s*=\s*\"(\.{1,2}/[^\"]*)\"", re.MULTILINE)
_GLUE_SCRIPT = re.compile(r"^\s*(?:from|import) awsglue\b", re.MULTILINE)
_POSTGRESQL = re.compile(r"^\s*image:\s*[\"']?\S*(?:postgres|postgis|pgvector)\S*", re.MULTILINE)
_COMPOSE_NAMES = {f"{stem}.{end}" for stem in ("docker-compose", "compose") for end in ("yml", "yaml")}


class Kind(StrEnum):
    """How something is deployed."""

    TERRAFORM = "terraform"
    CDK = "cdk"
    SAM = "sam"
    CLOUDFORMATION = "cloudformation"


@dataclass(frozen=True)
class Deployable:
    """Something that can be deployed.

    Parameters
    ----------
    kind : Kind
        How.
    path : Path
        A directory of Terraform or CDK, or the file of a template.
    """

    kind: Kind
    path: Path


@dataclass(frozen=True)
class Findings:
    """What a folder holds; paths are absolute.

    Parameters
    ----------
    deployables : tuple of Deployable
        What can be deployed, the ones nearest to the top first.
    state_machines : tuple of Path
        Files of state machines by themselves.
    glue_scripts : tuple of Path
        Scripts that import ``awsglue``.
    compose_databases : tuple of Path
        Compose files with a PostgreSQL.
    """

    deployables: tuple[Deployable, ...]
    state_machines: tuple[Path, ...]
    glue_scripts: tuple[Path, ...]
    compose_databases: tuple[Path, ...]


def look_around(folder: Path) -> Findings:
    """Look at the files of a folder and of those below it."""
    files = sorted(_files(folder), key=lambda path: (len(path.parts), path))
    deployables = sorted(
        [*_terraform(files), *_others(files)],
        key=lambda deployable: (len(deployable.path.parts), deployable.kind, deployable.path),
    )
    return Findings(
        tuple(deployables),
        tuple(file for file in files if re.search(r"\.asl\.(json|ya?ml)$", file.name)),
        tuple(file for file in files if file.suffix == ".py" and _GLUE_SCRIPT.search(_text(file))),
        tuple(file for file in files if file.name in _COMPOSE_NAMES and _POSTGRESQL.search(_text(file))),
    )


def deployables_at(path: Path) -> list[Deployable]:
    """What a person means who names a directory or a template: what is right there, not below it."""
    if path.is_file():
        return list(_others([path]))
    files = sorted(file for file in path.iterdir() if file.is_file())
    deployables = [*_others(files)]
    if any(file.suffix == ".tf" or file.name.endswith(".tf.json") for file in files):
        deployables.insert(0, Deployable(Kind.TERRAFORM, path))
    app = [deployable for deployable in deployables if deployable.kind is Kind.CDK]
    return app or deployables


def _terraform(files: list[Path]) -> Iterator[Deployable]:
    """Directories of configurations that no other one uses as a module."""
    configurations = [file for file in files if file.suffix == ".tf"]
    modules = {
        Path(os.path.normpath(file.parent / source))
        for file in configurations
        for source in _MODULE_SOURCE.findall(_text(file))
    }
    for directory in dict.fromkeys(file.parent for file in configurations):
        if directory not in modules and "modules" not in directory.parts:
            yield Deployable(Kind.TERRAFORM, directory)


def _others(files: list[Path]) -> Iterator[Deployable]:
    apps = [file.parent for file in files if file.name == "cdk.json"]
    for app in apps:
        yield Deployable(Kind.CDK, app)
    for file in files:
        if file.suffix not in {".yaml", ".yml", ".json", ".template"} or file.parent in apps:
            continue
        text = _text(file)
        if _CLOUDFORMATION.search(text):
            yield Deployable(Kind.SAM if _SAM.search(text) else Kind.CLOUDFORMATION, file)


def _files(folder: Path) -> Iterator[Path]:
    for here, directories, names in os.walk(folder):
        depth = len(Path(here).relative_to(folder).parts)
        directories[:] = [
            name
            for name in directories
            if depth < _DEEPEST and not name.startswith(".") and name not in _PASSED_OVER
        ]
        yield from (Path(here, name) for name in names)


def _text(path: Path) -> str:
    """What a file says; nothing where it is no text, or too large to be written by hand."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return ""
        return path.read_text(errors="replace")
    except OSError:
        return ""
