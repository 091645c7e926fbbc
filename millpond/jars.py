"""The jars that Spark jobs see, taken out of locked Python packages.

PySpark brings Spark and Hadoop's client. What it lacks to read ``s3://`` and PostgreSQL is a handful of
jars. They are taken from packages of the same index as everything else, because a company network
that serves Python packages does not always serve Maven's; each file is checked against its own SHA-256.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from millpond import bootstrap
from millpond.errors import MillpondError

_BODO = "bodo_iceberg_connector/jars/libs"
_WBJDBC = "wbjdbc/resources/maven/postgresql"


@dataclass(frozen=True)
class Jar:
    """One file: its name, the directory it has in the installed package, and its SHA-256."""

    name: str
    directory: str
    sha256: str


JARS = (
    # S3A: Hadoop's S3 file system and the modules of AWS SDK 1.12 it calls.
    Jar("hadoop-aws-3.3.3.jar", _BODO, "42a502ac0343acc5bbbb084a6f3a6379e474bc4f761279beba276d59fecd4713"),
    Jar(
        "aws-java-sdk-core-1.12.382.jar",
        _BODO,
        "f73e2e38beaa957e66d9306fa909ea18615f2bfb93b1b4fe3366c2b4f7eeb109",
    ),
    Jar(
        "aws-java-sdk-dynamodb-1.12.382.jar",
        _BODO,
        "f52e5f764a307626631cf39fdb421ca5bbd52710d9feac09fe9d3fdb8e640f21",
    ),
    Jar(
        "aws-java-sdk-kms-1.12.382.jar",
        _BODO,
        "60277a9f95b35cc29ac563db46695c86ea1cf74b98443a59a8b92074cc9ec0d0",
    ),
    Jar(
        "aws-java-sdk-s3-1.12.382.jar",
        _BODO,
        "ca8df3b4166152210aeca8612d9710fc694e6cbd1b925316d95624291fcae7f5",
    ),
    Jar(
        "aws-java-sdk-sts-1.12.382.jar",
        _BODO,
        "722941956bce405f0541863dc744558237cc67b77af0630cbe37fb597750ba81",
    ),
    Jar(
        "jackson-dataformat-cbor-2.12.6.jar",
        _BODO,
        "cfa008d15f052e69221e8c3193056ff95c3c594271321ccac8d72dc1a770619c",
    ),
    Jar(
        "jmespath-java-1.12.382.jar",
        _BODO,
        "2a8cdb00fb86314bccf8b16ef0efa4c13b306be74cd739f2b639a2f9410d8f76",
    ),
    # The PostgreSQL JDBC driver.
    Jar("postgresql-42.7.4.jar", _WBJDBC, "188976721ead8e8627eb6d8389d500dccc0c9bebd885268a3047180274a6031e"),
)


def missing_jars(directory: Path) -> list[Jar]:
    """The jars that are not in the directory (by name: a complete file is moved there in one step)."""
    return [jar for jar in JARS if not (directory / jar.name).exists()]


def install_jars(directory: Path, *, uv: Path, python: Path) -> None:
    """Fetch what is missing into the directory.

    Raises
    ------
    MillpondError
        If a package lacks a file or the file is not the one that was pinned.
    BootstrapError
        If the packages cannot be had.
    """
    missing = missing_jars(directory)
    if not missing:
        return
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="jars-") as unpacked:
        bootstrap.install(
            uv,
            python,
            ["--no-deps", "--require-hashes", "--target", unpacked]
            + ["-r", str(bootstrap.REQUIREMENTS / "jars.txt")],
            "The packages that carry the jars",
        )
        for jar in missing:
            _take(jar, Path(unpacked) / jar.directory / jar.name, directory)


def _take(jar: Jar, source: Path, directory: Path) -> None:
    if not source.exists():
        raise MillpondError(
            f"The package that should carry {jar.name} does not hold it.",
            where="requirements/jars.txt",
            next_step="make clean, then run the command again",
        )
    found = hashlib.sha256(source.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise MillpondError(
            f"{jar.name} is not the file that was pinned: SHA-256 {found}, expected {jar.sha256}.",
            where="requirements/jars.txt and millpond/jars.py",
            next_step="make clean, then run the command again; if it stays, do not use the file",
        )
    partial = directory / f".{jar.name}.partial"
    shutil.copyfile(source, partial)
    partial.rename(directory / jar.name)
