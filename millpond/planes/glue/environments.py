"""What a run is executed in: an interpreter, jars and modules, made when a run needs them first."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from millpond.planes.common.context import Tools
from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.glue.versions import GlueVersion

INSTALLED = "5.1"
"""The version that the toolchain installs before any run needs one."""
_LOOK_SECONDS = 0.25
# What an installer may need of the environment; a job never gets it.
INSTALLER_VARIABLES = (
    "PIP_",
    "UV_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
# A company network often signs with its own authority, which is only in the system's store.
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
HANDED_ON = "MILLPOND_INSTALLER_ENVIRONMENT"
"""Where the harness hands on to the engine, whose own environment has none of them, what installers need."""


class Stopped(Exception):  # noqa: N818 - no error: somebody stopped the run
    """The run was stopped while it waited."""


_WITH_PYTHON = ("delta-core_", "delta-spark_")


@dataclass(frozen=True)
class Environment:
    """What is there for a run.

    Parameters
    ----------
    version : GlueVersion
        Which.
    python : Path
        Interpreter of the driver and of Spark's workers.
    jars : tuple of Path
        Class path after Spark's own jars.
    modules : Path, optional
        Directory of the modules that Glue provides, if the run wants them.
    """

    version: GlueVersion
    python: Path
    jars: tuple[Path, ...]
    modules: Path | None = None

    @property
    def libraries(self) -> tuple[Path, ...]:
        """Jars that hold Python modules: Delta's ("Using the Delta Lake framework in AWS Glue")."""
        return tuple(jar for jar in self.jars if jar.name.startswith(_WITH_PYTHON))


def installer_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables for installers in an environment, which may be handed on in it."""
    handed = json.loads(environment.get(HANDED_ON, "{}"))
    own = {k: v for k, v in environment.items() if k.upper().startswith(INSTALLER_VARIABLES)}
    home = handed.get("HOME") or environment.get("HOME", "/")
    return _for_uv({"PATH": environment.get("PATH", os.defpath), **own, **handed, "HOME": home})


def _for_uv(variables: Mapping[str, str]) -> dict[str, str]:
    """The same with what is said to pip, or to ``requests``, said to uv."""
    said = {
        "UV_DEFAULT_INDEX": variables.get("PIP_INDEX_URL"),
        "UV_INDEX": variables.get("PIP_EXTRA_INDEX_URL"),
        "UV_FIND_LINKS": ",".join(variables.get("PIP_FIND_LINKS", "").split()),
        "SSL_CERT_FILE": variables.get("PIP_CERT") or variables.get("REQUESTS_CA_BUNDLE"),
    }
    if SYSTEM_CERTIFICATES.exists():
        said["UV_SYSTEM_CERTS"] = "1"
    return {**{name: value for name, value in said.items() if value}, **variables}


class Environments:
    """Knows what was made, and has made what was not.

    Parameters
    ----------
    tools : Tools
        The toolchain.
    cache : Path
        Where the environments of this user are.
    mirror : str
        Maven repository that stands in for Maven Central; empty for that itself.
    """

    def __init__(self, tools: Tools, cache: Path, mirror: str = "") -> None:
        self._tools = tools
        self._cache = cache
        self._mirror = mirror
        self._lock = threading.Lock()
        self._made: dict[tuple[str, ...], Mapping[str, str | list[str]]] = {}

    def of(
        self,
        version: GlueVersion,
        sets: Sequence[str],
        formats: Sequence[str],
        *,
        modules: str,
        log: Path,
        wait: Callable[[float], None],
    ) -> Environment:
        """The environment of a run.

        Parameters
        ----------
        version : GlueVersion
            Which.
        sets : sequence of str
            Of ``requirements/maven.in``.
        formats : sequence of str
            Table formats; those of the installed version may be among the toolchain's own jars.
        modules : str
            Lock of the modules that the run wants; empty for none.
        log : Path
            Where to say what is being made.
        wait : callable
            Waits that many seconds; raises :class:`Stopped` to give up.

        Raises
        ------
        LaunchError
            If something cannot be had.
        """
        is_installed = version.name == INSTALLED
        own = self._installed_jars(formats) if is_installed else ()
        if is_installed and not sets and not modules:
            return Environment(version, self._tools.spark_python, own)
        which = ["--python", str(self._tools.spark_python)] if is_installed else ["--version", version.name]
        found = self._have([*which, "--sets", *sets, *(["--modules", modules] if modules else [])], log, wait)
        return Environment(
            version,
            Path(str(found["python"])),
            (*own, *(Path(jar) for jar in found["jars"])),
            Path(str(found["modules"])) if modules else None,
        )

    def modules_for(self, python: Path, modules: str, *, log: Path, wait: Callable[[float], None]) -> Path:
        """Modules for another interpreter than Spark's.

        Raises
        ------
        LaunchError
            If one cannot be had.
        """
        return Path(str(self._have(["--python", str(python), "--modules", modules], log, wait)["modules"]))

    def ready(self, version: GlueVersion, sets: Sequence[str], formats: Sequence[str]) -> Environment | None:
        """The environment of a plain run, if nothing has to be made for it."""
        if version.name == INSTALLED and not sets:
            return Environment(version, self._tools.spark_python, self._installed_jars(formats))
        with self._lock:
            found = self._made.get(("--version", version.name, "--sets", *sets))
        if found is None:
            return None
        return Environment(version, Path(str(found["python"])), tuple(Path(jar) for jar in found["jars"]))

    def _installed_jars(self, formats: Sequence[str]) -> tuple[Path, ...]:
        own = self._tools.jars_dir
        directories = [own, *(own / name for name in sorted(set(formats)))]
        return tuple(jar for directory in directories for jar in sorted(directory.glob("*.jar")))

    def _have(
        self, arguments: Sequence[str], log: Path, wait: Callable[[float], None]
    ) -> Mapping[str, str | list[str]]:
        key = tuple(arguments)
        with self._lock:
            found = self._made.get(key)
        if found is None:
            found = self._make(arguments, log, wait)
            with self._lock:
                self._made[key] = found
        return found

    def _make(
        self, arguments: Sequence[str], log: Path, wait: Callable[[float], None]
    ) -> Mapping[str, str | list[str]]:
        tools = self._tools
        command = [str(tools.harness_python), "-m", "millpond.toolchain.glue"]
        command += ["--home", str(tools.jars_dir.parent), "--cache", str(self._cache)]
        command += ["--java", str(tools.java_home / "bin" / "java"), "--mirror", self._mirror, *arguments]
        environment = {**installer_environment(os.environ), "MILLPOND_HOME": str(tools.jars_dir.parent)}
        with (
            log.open("ab") as told,
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told, env=environment
            ) as child,
        ):
            try:
                while child.poll() is None:
                    wait(_LOOK_SECONDS)
            except BaseException:
                child.terminate()
                raise
            said = child.stdout.read() if child.stdout else b""
        answer: Mapping[str, str | list[str]] = json.loads(said) if said.strip() else {}
        if "error" in answer or not answer:
            reason = answer.get("error") or "its installer ended without a word; the error log may say why"
            raise LaunchError(f"LAUNCH ERROR | What this run needs could not be had: {reason}")
        return answer
