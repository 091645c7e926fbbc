"""``runtime-versions``: the languages that a buildspec asks for, checked against what is on this machine.

Source: "Specify runtime versions in the buildspec file" in the CodeBuild User Guide.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from millpond.planes.codebuild.exceptions import BuildspecError
from millpond.planes.common.context import Tools

_NUMBER = re.compile(r"(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class Runtime:
    """A language that the build uses.

    Parameters
    ----------
    programs : mapping
        Names on the build's path to what they run.
    variables : mapping
        Environment variables.
    """

    programs: Mapping[str, Path]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Language:
    candidates: Callable[[str, Tools], list[Path]]
    version_option: str
    runtime: Callable[[Path, Tools], Runtime]


def choose(wanted: Mapping[str, str], path: str, tools: Tools) -> list[Runtime]:
    """What the build runs for each language it asks for.

    Parameters
    ----------
    wanted : mapping
        Language to version: a number, its beginning, ``latest``, or with Java ``corretto17``.
    path : str
        Where programs are looked for.
    tools : Tools
        What else there is.

    Raises
    ------
    BuildspecError
        If a language or a version is not on this machine; it names those that are.
    """
    return [_choose(language, str(version), path, tools) for language, version in wanted.items()]


def matches(wanted: str, installed: str) -> bool:
    """Whether a version is what a buildspec asks for: ``3.x`` and ``3`` are any 3."""
    parts = [part for part in wanted.lower().removeprefix("corretto").split(".") if part != "x"]
    return wanted == "latest" or installed.split(".")[: len(parts)] == parts


def _choose(name: str, wanted: str, path: str, tools: Tools) -> Runtime:
    language = _LANGUAGES.get(name)
    if language is None:
        raise BuildspecError(
            f"Unknown runtime named '{name}'. This build environment has the following runtimes: "
            f"{', '.join(sorted(_LANGUAGES))}"
        )
    programs: dict[str, Path] = {}
    for program in language.candidates(path, tools):
        if version := _version(program, language.version_option):
            programs.setdefault(version, program)
    fitting = [version for version in programs if matches(wanted, version)]
    if not fitting:
        available = ", ".join(sorted(programs, key=_sortable)) or "none"
        raise BuildspecError(
            f"Unknown runtime version named '{wanted}' of {name}. This build environment has the following "
            f"versions: {available}"
        )
    return language.runtime(programs[max(fitting, key=_sortable)], tools)


def _version(program: Path, option: str) -> str | None:
    try:
        answer = subprocess.run(
            [program, option],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env={"PATH": os.defpath},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _NUMBER.search(answer.stdout + answer.stderr)
    return match[1] if match else None


def _sortable(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _on_path(*names: str) -> Callable[[str, Tools], list[Path]]:
    def candidates(path: str, _tools: Tools) -> list[Path]:
        return [Path(program) for name in names if (program := shutil.which(name, path=path))]

    return candidates


def _pythons(path: str, tools: Tools) -> list[Path]:
    names = ["python3", *(f"python3.{minor}" for minor in range(8, 20))]
    return [*tools.lambda_python.values(), *_on_path(*names)(path, tools)]


def _javas(path: str, tools: Tools) -> list[Path]:
    return [tools.java_home / "bin" / "java", *_on_path("java")(path, tools)]


def _python_runtime(program: Path, tools: Tools) -> Runtime:
    """Python, and to pip the wheels that this machine keeps."""
    variables = {"PIP_FIND_LINKS": str(tools.wheels)} if tools.wheels else {}
    return Runtime({"python": program, "python3": program}, variables)


def _java_runtime(program: Path, _tools: Tools) -> Runtime:
    home = program.resolve().parent.parent
    programs = {name: home / "bin" / name for name in ("java", "javac", "jar", "keytool")}
    return Runtime({name: path for name, path in programs.items() if path.exists()}, {"JAVA_HOME": str(home)})


def _as_it_is(_program: Path, _tools: Tools) -> Runtime:
    return Runtime({})


_LANGUAGES: Mapping[str, _Language] = {
    "python": _Language(_pythons, "--version", _python_runtime),
    "java": _Language(_javas, "-version", _java_runtime),
    "nodejs": _Language(_on_path("node"), "--version", _as_it_is),
    "golang": _Language(_on_path("go"), "version", _as_it_is),
    "ruby": _Language(_on_path("ruby"), "--version", _as_it_is),
    "php": _Language(_on_path("php"), "--version", _as_it_is),
    "dotnet": _Language(_on_path("dotnet"), "--version", _as_it_is),
}
