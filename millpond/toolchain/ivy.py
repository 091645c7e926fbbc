"""Files of a Maven repository, fetched by the Ivy that PySpark brings.

Which repository is Ivy's own default, Maven Central, unless the setting ``maven_mirror`` names another.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from millpond.base.errors import MillpondError

MIRROR = "MILLPOND_MAVEN_MIRROR"
_SECONDS = 1800
# One answer of the repository that breaks off fails the whole of a run; what came is kept for the next one.
_TRIES = 4


@dataclass(frozen=True)
class Artifact:
    """A file of a Maven repository, by its coordinates."""

    group: str
    name: str
    version: str
    extension: str = "jar"

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.{self.extension}"


@dataclass(frozen=True)
class Ivy:
    """The Ivy of a PySpark.

    Parameters
    ----------
    java : Path
        The program ``java``.
    jars : Path
        The directory of PySpark's jars.
    mirror : str
        Address of a Maven repository that stands in for Maven Central; empty for that itself.
    """

    java: Path
    jars: Path
    mirror: str = ""

    @classmethod
    def of(cls, java: Path, spark_python: Path, mirror: str) -> Ivy:
        """The Ivy of an environment with PySpark, by its interpreter."""
        (jars,) = spark_python.parent.parent.glob("lib/python*/site-packages/pyspark/jars")
        return cls(java, jars, mirror)

    def retrieve(self, wanted: Sequence[Artifact], directory: Path) -> None:
        """Bring files, without what they depend on, into a directory; each is called by its ``file_name``.

        Raises
        ------
        MillpondError
            If one cannot be had; the lines of Ivy that say why are in it.
        """
        (jar,) = self.jars.glob("ivy-*.jar")
        (directory / "settings.xml").write_text(_settings(self.mirror))
        (directory / "ivy.xml").write_text(_module(wanted))
        command = [str(self.java), "-cp", str(jar), "org.apache.ivy.Main"]
        command += ["-settings", str(directory / "settings.xml"), "-ivy", str(directory / "ivy.xml")]
        command += ["-cache", str(directory / "cache"), "-confs", "default"]
        command += ["-retrieve", str(directory / "[artifact]-[revision].[ext]")]
        for _ in range(_TRIES):
            try:
                run = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
                output = run.stdout + run.stderr
            except subprocess.TimeoutExpired as error:
                output = str(error)
            missing = [
                artifact.file_name for artifact in wanted if not (directory / artifact.file_name).exists()
            ]
            if not missing:
                return
        lines = (line.strip() for line in output.splitlines())
        raise MillpondError(
            f"{missing[0]} could not be fetched from the Maven repository.",
            where=self.mirror or "Maven Central",
            next_step=f"check the network, or name a mirror of Maven Central by {MIRROR}; then run again",
            detail="\n".join([line for line in lines if "not found" in line or "rror" in line][:12]),
        )


def _settings(mirror: str) -> str:
    root = f" root={quoteattr(mirror)}" if mirror else ""
    # Neither the description of a file nor its SHA-1 is asked for: a lock has its SHA-256, and whatever else
    # it needs.
    resolver = f'name="central" m2compatible="true" usepoms="false" useMavenMetadata="false"{root}'
    return (
        '<ivysettings><property name="ivy.checksums" value=""/><settings defaultResolver="central"/>'
        f"<resolvers><ibiblio {resolver}/></resolvers></ivysettings>\n"
    )


def _module(wanted: Sequence[Artifact]) -> str:
    return (
        '<ivy-module version="2.0"><info organisation="millpond" module="jars"/>'
        f'<configurations><conf name="default"/></configurations>'
        f"<dependencies>{''.join(map(_dependency, wanted))}"
        '<conflict org="*" module="*" manager="all"/></dependencies></ivy-module>\n'
    )


def _dependency(artifact: Artifact) -> str:
    named, kind = f"name={quoteattr(artifact.name)}", quoteattr(artifact.extension)
    return (
        f"<dependency org={quoteattr(artifact.group)} {named} rev={quoteattr(artifact.version)} "
        f'transitive="false" conf="default->default"><artifact {named} type={kind} ext={kind}/></dependency>'
    )
