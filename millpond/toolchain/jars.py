"""The jars that Spark jobs see, taken out of locked Python packages.

PySpark brings Spark and Hadoop's client. What it lacks to read ``s3://`` and PostgreSQL is a handful of
jars; those of a table format that a job asks for (``--datalake-formats``) are in a directory of its name.
They are taken from packages of the same index as everything else, because a company network
that serves Python packages does not always serve Maven's; each file is checked against its own SHA-256.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from millpond.base.errors import MillpondError
from millpond.toolchain import bootstrap

_BODO = "bodo_iceberg_connector/jars/libs"
_WBJDBC = "wbjdbc/resources/maven/postgresql"
_SNOWPARK = "snowpark_connect_deps_iceberg/jars"

_SDK_2_VERSION = "2.29.26"
# What S3FileIO and GlueCatalog call: modules of AWS SDK 2 with what those need.
_SDK_2 = {
    "annotations": "d160f1216749353360880359ec1725cef4bec442eaca477f3a98f6eb894fb62e",
    "apache-client": "13d58ff12f66df140cfcad17781f1af9d882a1bb839247bab18a974c89de0949",
    "arns": "623334705d1130353bb64cb7a906b916e5b3711afcd43f8354dd761780b28f0a",
    "auth": "3597fb8e42b18c5706fbeea38331022c4c57994e8cee30ad69345d0af7576408",
    "aws-core": "f211a8bdbac010c16be6d3aa2d104a6f5bcff8315eab3035ce9f1149347146fa",
    "aws-json-protocol": "002c75b3b4a933d9467f1443683c3f3cdca86c0f57778088963dd2033d94fccb",
    "aws-query-protocol": "fdfc7eff6f58ab69c3bd83acf8f932ecdd7e52acde3ac194fcf5de8fb6e9833e",
    "aws-xml-protocol": "52318cd5ca191e4b78a82cdf60b1c6a1e4a83b2a01317062156f63b45b272f4f",
    "checksums": "753612b562bd3108848bec04801aa80ab054531ef1d96545e005370c670cb7fc",
    "checksums-spi": "d2b9224b0f76a4e4506a31becebb8db904f2a7b78975fbb3911e8cf912aef700",
    "crt-core": "a422b9973e816f3e888b21758e7ed48416b4bfebd46c89fe5106d94a5c1387af",
    "dynamodb": "49bff5da10bee269229a337a7c3fe2ac1af66f4d51b78475fdf1146fe90cdbae",
    "endpoints-spi": "3a53cb14905a2a05213a43e74bda37adbd169cfc1d03386fb64143fc2be5782e",
    "glue": "6e721e149efb61d116805e76c342a2f1fe56f675d0d3d574ef725bc6f5eea135",
    "http-auth": "30af1028623034436c8ac473f2d5ac96f43996d4dc1b27c0a2324ced523b339d",
    "http-auth-aws": "5d8ec7c4a2d407740c4793d2cbc76682e6a9de5f123186d5b068bca5e01cee68",
    "http-auth-aws-eventstream": "faee75af76597556715f223f4991d586acd5fafb66f6809939f442aa502da0cd",
    "http-auth-spi": "4c72064a6c2b555ef9e62da7c35f35e42cd2cbf0e4d87d2d8a91cc8114d4efbc",
    "http-client-spi": "af9d60aceaf2136738d8df61c95b89d088f698316de17a1442230983fff754f6",
    "identity-spi": "a0fcd5a76ae8af684f31328b75e8e77dc55fe322b4409022cc5fb328776ca728",
    "json-utils": "f7838c0a4e6fd38a0e1781606da883752ce8b543ebd40b69dec2ff69db86da45",
    "kms": "6898d489d0679374e55c25271367229b096134609950b2ca55f1993257f5b630",
    "metrics-spi": "0333df653c6ef5673553931190bab78dc14a102179eb7c390d15ebf5a58e829b",
    "profiles": "8033fd5847bef28643913e0079bf479040d20b825ac1fe2ef5e61d05cc68995d",
    "protocol-core": "ac5d2d4fb17d7dea29751533999d65a4746eeadcfa1c062836314bb02ad33793",
    "regions": "f52ec0d58ab62dd113c6196ae22ae0d1d89eeb400a45e4039f0e5a304362a8a0",
    "retries": "91ba6ce9f14169d276908f29cf66b1dfee96c51afd562e0a899494e1cf9d211e",
    "retries-spi": "5c5161c18a1886e4f234a70b410ce2b60cfd237c280fbbcff17889f2323aad9d",
    "s3": "49d2e0f6f3c5d9ebfbdf490b84883255158de1a3ccb81e11ef39e39e77026c7b",
    "sdk-core": "21ffd779415d6e28b67de2a29773997bb4e67cd5e3a8b77c7e03dd2564a6cd1e",
    "sts": "af6e6d22d29b752119176bf3d06c67a331ff9fe0a83aec34b721e4654925cffc",
    "third-party-jackson-core": "82effe7379a181e6d8bb94c75becb9401eedfdef7bc1698dc3c732892fab2eef",
    "url-connection-client": "bcdb6a5a26887f3abd0cd695ddb3ec215500d2498f8b4ac0f60b0b68584029ee",
    "utils": "bcab120d0d2129faa2d48cecf6034ed6a1f27421e407348f973ca53b0d44ccae",
}


@dataclass(frozen=True)
class Jar:
    """One file.

    Parameters
    ----------
    name : str
    directory : str
        Where it is in the installed package.
    sha256 : str
    table_format : str
        The format whose jobs see it; empty when all do.
    """

    name: str
    directory: str
    sha256: str
    table_format: str = ""

    @property
    def path(self) -> Path:
        """Where it goes, below the directory of the jars."""
        return Path(self.table_format, self.name)


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
    # Iceberg for Spark 3.5 with its AWS integration.
    Jar(
        "iceberg-spark-runtime-3.5_2.12-1.10.2.jar",
        _SNOWPARK,
        "c562d482dcd16b666e808b755469fbc4b2604284b41622c9d87e2c02b7cc6c5f",
        "iceberg",
    ),
    Jar(
        "eventstream-1.0.1.jar",
        _BODO,
        "0c37d8e696117f02c302191b8110b0d0eb20fa412fce34c3a269ec73c16ce822",
        "iceberg",
    ),
    Jar(
        "reactive-streams-1.0.4.jar",
        _BODO,
        "f75ca597789b3dac58f61857b9ac2e1034a68fa672db35055a8fb4509e325f28",
        "iceberg",
    ),
    *(Jar(f"{name}-{_SDK_2_VERSION}.jar", _BODO, sha256, "iceberg") for name, sha256 in _SDK_2.items()),
)


def missing_jars(directory: Path) -> list[Jar]:
    """The jars that are not in the directory (by name: a complete file is moved there in one step)."""
    return [jar for jar in JARS if not (directory / jar.path).exists()]


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
            once=True,
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
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if digest != jar.sha256:
        raise MillpondError(
            f"{jar.name} is not the file that was pinned: SHA-256 {digest}, expected {jar.sha256}.",
            where="requirements/jars.txt and millpond/toolchain/jars.py",
            next_step="make clean, then run the command again; if it stays, do not use the file",
        )
    target = directory / jar.path
    target.parent.mkdir(exist_ok=True)
    partial = target.with_name(f".{jar.name}.partial")
    shutil.copyfile(source, partial)
    partial.rename(target)
