"""What each Glue version brings to a Spark job: Spark, Python, table formats and jars, in one table.

Sources: "AWS Glue versions" in the Developer Guide, and its pages on migrating to 4.0, 5.0, 5.1 and 6.0.
Where Maven Central does not have what AWS names, :attr:`GlueVersion.differences` says what there is instead.
"""

from __future__ import annotations

import ast
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millpond.planes.glue.exceptions import InvalidInputException, LaunchError


@dataclass(frozen=True)
class GlueVersion:
    """One row.

    Parameters
    ----------
    name : str
        As ``GlueVersion`` of a job names it.
    spark, python : str
        Versions of PySpark and of Python.
    jars : tuple of str
        Sets of ``requirements/maven.in`` that every job sees.
    formats : mapping of str to tuple of str
        Table format (``--datalake-formats``) to the sets that its jobs see beside those.
    uses : mapping of str to tuple of str
        What a script or a connection may use (a key of ``USES``) to the sets that bring it.
    has_sdk_2 : bool
        Whether S3A calls version 2 of AWS's SDK for Java, as from Hadoop 3.4 on.
    differences : mapping of str to str
        What is here another version than on AWS, for the log of a run that uses it.
    """

    name: str
    spark: str
    python: str
    jars: tuple[str, ...]
    formats: Mapping[str, tuple[str, ...]]
    uses: Mapping[str, tuple[str, ...]]
    has_sdk_2: bool = False
    differences: Mapping[str, str] = field(default_factory=dict)

    def sets(self, formats: Iterable[str] = (), uses: Iterable[str] = ()) -> tuple[str, ...]:
        """The sets of jars of a run, each once."""
        wanted = [*self.jars]
        wanted += [one for name in formats for one in self.formats[name]]
        wanted += [one for name in uses for one in self.uses.get(name, ())]
        return tuple(dict.fromkeys(wanted))

    @property
    def title(self) -> str:
        return f"Glue {self.name} (Spark {self.spark}, Python {self.python})"


# What finds out that a script uses something whose jars are not on every job's path, by its text, its
# arguments, or a connection of the job.
USES: Mapping[str, re.Pattern[str]] = {
    "xml": re.compile(r"spark\.xml|rowTag|[\"']xml[\"']", re.IGNORECASE),
    "kafka": re.compile(r"kafka", re.IGNORECASE),
    "mysql": re.compile(r"\bmysql\b|com\.mysql", re.IGNORECASE),
    "mariadb": re.compile(r"mariadb", re.IGNORECASE),
    "sqlserver": re.compile(r"sqlserver", re.IGNORECASE),
    "redshift": re.compile(r"jdbc:redshift|[\"']redshift[\"']|redshift\.jdbc", re.IGNORECASE),
    "oracle": re.compile(r"jdbc:oracle|[\"']oracle[\"']|oracle\.jdbc", re.IGNORECASE),
    "db2": re.compile(r"\bdb2\b|com\.ibm\.db2", re.IGNORECASE),
}

# Names by which the modules are imported that Glue provides ("Python modules already provided in AWS Glue").
_PROVIDED = """
    Cython PIL aiobotocore aiohttp aioitertools appdirs attr attrs avro certifi chardet charset_normalizer
    choreographer click contourpy cycler dateutil distlib filelock fontTools frozenlist fsspec idna iniconfig
    joblib kaleido kiwisolver logistro matplotlib mpl_toolkits mpmath multidict narwhals nltk numpy orjson
    packaging pandas patsy pip pkg_resources platformdirs plotly pluggy pmdarima propcache pyarrow pygments
    pyhocon pymysql pyparsing pytest pytz regex requests s3fs scipy seaborn setuptools simplejson sklearn
    statsmodels sympy tbats tenacity threadpoolctl tqdm typing_extensions tzdata virtualenv wrapt yaml yarl
    zipp
"""
PROVIDED = frozenset(_PROVIDED.split())

_DATABASES = {name: (name,) for name in ("mysql", "mariadb", "sqlserver", "redshift", "oracle", "db2")}
_SPARK_3 = {**_DATABASES, "xml": ("xml",)}

VERSIONS: Mapping[str, GlueVersion] = {
    version.name: version
    for version in (
        GlueVersion(
            "6.0",
            spark="4.1.1",
            python="3.13",
            jars=("s3a-3.4.2", "sdk-2", "postgresql", "avro-6.0"),
            formats={"iceberg": ("iceberg-6.0",), "delta": ("delta-6.0",)},
            uses={**_DATABASES, "kafka": ("kafka-6.0",)},
            has_sdk_2=True,
        ),
        GlueVersion(
            "5.1",
            spark="3.5.6",
            python="3.11",
            # Those of every job, and Iceberg's, are the toolchain's own: every checkout has them.
            jars=(),
            formats={"iceberg": (), "delta": ("delta-5.1",), "hudi": ("hudi-5.1",)},
            uses={**_SPARK_3, "kafka": ("kafka-5",)},
            differences={
                "iceberg": "Iceberg is 1.10.2; AWS Glue 5.1 has 1.10.0",
                "kafka": "Kafka's source is that of Spark 3.5.7",
            },
        ),
        GlueVersion(
            "5.0",
            spark="3.5.4",
            python="3.11",
            jars=("s3a-3.3.4", "sdk-1", "postgresql", "avro-5.0"),
            formats={"iceberg": ("iceberg-5.0", "sdk-2"), "delta": ("delta-5.0",), "hudi": ("hudi-5.0",)},
            uses={**_SPARK_3, "kafka": ("kafka-5",)},
            differences={"kafka": "Kafka's source is that of Spark 3.5.7"},
        ),
        GlueVersion(
            "4.0",
            spark="3.3.0",
            python="3.10",
            jars=("s3a-3.3.2", "sdk-1", "postgresql", "avro-4.0"),
            formats={"iceberg": ("iceberg-4.0", "sdk-2"), "delta": ("delta-4.0",), "hudi": ("hudi-4.0",)},
            uses={**_SPARK_3, "kafka": ("kafka-4.0",)},
            differences={"hudi": "Hudi is 0.14.0; AWS Glue 4.0 has 0.12.1"},
        ),
    )
}
NEWEST = "6.0"
# A job that names none ("Setting the Glue version", CreateJob in the API Reference).
DEFAULT = NEWEST
AUTO = "auto"
# What is too old to be had, and what its jobs run on.
STAND_INS: Mapping[str, str] = {"3.0": "4.0", "2.0": "4.0", "1.0": "4.0", "0.9": "4.0"}

# Versions that had Spark 2, and the properties by which Spark 3 answers as that did (its migration guide,
# "Upgrading from Spark SQL 2.4 to 3.0" and "3.0 to 3.1").
_OF_SPARK_2 = ("2.0", "1.0", "0.9")
_AS_SPARK_2: Mapping[str, str] = {
    "spark.sql.legacy.allowHashOnMapType": "true",
    "spark.sql.legacy.allowNegativeScaleOfDecimal": "true",
    "spark.sql.legacy.castComplexTypesToString.enabled": "true",
    "spark.sql.legacy.createEmptyCollectionUsingStringType": "true",
    "spark.sql.legacy.ctePrecedencePolicy": "LEGACY",
    "spark.sql.legacy.doLooseUpcast": "true",
    "spark.sql.legacy.exponentLiteralAsDecimal.enabled": "true",
    "spark.sql.legacy.fromDayTimeString.enabled": "true",
    "spark.sql.legacy.json.allowEmptyString.enabled": "true",
    "spark.sql.legacy.pathOptionBehavior.enabled": "true",
    "spark.sql.legacy.statisticalAggregate": "true",
    "spark.sql.legacy.timeParserPolicy": "LEGACY",
    "spark.sql.legacy.typeCoercion.datetimeToString.enabled": "true",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "LEGACY",
    "spark.sql.parquet.int96RebaseModeInWrite": "LEGACY",
    "spark.sql.storeAssignmentPolicy": "LEGACY",
}


def properties_of(name: str, mapped: Mapping[str, str]) -> Mapping[str, str]:
    """Properties of Spark that a version's stand-in has, so that a job's own Spark shows in it where it can.

    A version that the settings map to another one has none: what that one does is what is asked.
    """
    return _AS_SPARK_2 if name in _OF_SPARK_2 and name not in mapped else {}


def check(name: str) -> None:
    """Refuse a version that Glue does not have.

    Raises
    ------
    InvalidInputException
        Naming those that it has.
    """
    if name not in (*VERSIONS, *STAND_INS, AUTO):
        known = ", ".join((*VERSIONS, *STAND_INS, AUTO))
        raise InvalidInputException(f"GlueVersion {name} is not supported: use one of {known}")


def number(name: str) -> float:
    """The version as a number; that of ``auto`` is the newest's."""
    return float(NEWEST if name == AUTO else name)


def resolve(name: str, mapped: Mapping[str, str]) -> tuple[GlueVersion, str]:
    """The version that a job's runs are executed on, and a line for their log where it is another.

    Parameters
    ----------
    name : str
        ``GlueVersion`` of the job.
    mapped : mapping of str to str
        Versions that the settings map to another one (``[glue.versions]`` of ``millpond.toml``).

    Raises
    ------
    LaunchError
        If the settings map it to one that is not here.
    """
    if name in mapped:
        if mapped[name] not in VERSIONS:
            known = ", ".join(VERSIONS)
            raise LaunchError(
                f"LAUNCH ERROR | The setting glue.versions maps Glue {name} to {mapped[name]}, which is "
                f"not available in Millpond: use one of {known}."
            )
        found = VERSIONS[mapped[name]]
        return (
            found,
            f"WARNING: this job is of Glue {name}; by the setting glue.versions it runs on {found.title}.",
        )
    if name == AUTO:
        found = VERSIONS[NEWEST]
        return found, f"WARNING: GlueVersion auto runs on the newest version here: {found.title}."
    if name in STAND_INS:
        found = VERSIONS[STAND_INS[name]]
        return found, (
            f"WARNING: THIS JOB IS OF GLUE {name}, WHICH IS NOT AVAILABLE IN MILLPOND. It runs on "
            f"{found.title}{_with_properties(name)}: what else differs between them does not show here."
        )
    return VERSIONS[name], ""


def _with_properties(name: str) -> str:
    return ", with the properties that make Spark 3 answer as Spark 2" if name in _OF_SPARK_2 else ""


def uses_in(texts: Iterable[str]) -> tuple[str, ...]:
    """What texts (sources, arguments, a connection's properties) use, of ``USES``."""
    joined = "\n".join(texts)
    return tuple(name for name, pattern in USES.items() if pattern.search(joined))


def uses_of(
    own: Iterable[str], libraries: Iterable[str], connections: Iterable[Mapping[str, Any]]
) -> tuple[str, ...]:
    """What a run uses, of ``USES``.

    Parameters
    ----------
    own : iterable of str
        Its script and arguments.
    libraries : iterable of str
        The sources that it brings. A library may know many databases: where a job has a connection, that
        says which of them it reads.
    connections : iterable of mapping
        ``Connection`` of each that the job has.

    Examples
    --------
    >>> reader = "DRIVERS = {'mysql': 'com.mysql.cj.jdbc.Driver'}"
    >>> uses_of([], [reader], []), uses_of([], [reader], [{"ConnectionType": "JDBC"}])
    (('mysql',), ())
    """
    shown = [
        str([one.get("ConnectionType"), *(one.get("ConnectionProperties") or {}).values()])
        for one in connections
    ]
    named = uses_in([*own, *shown])
    brought = uses_in(libraries)
    wanted = {*named, *(use for use in brought if not (shown and use in _DATABASES))}
    return tuple(name for name in USES if name in wanted)


# What of PySpark itself takes modules that are not part of it.
_OF_PYSPARK = re.compile(r"pandas|arrow|pyspark\.(ml|mllib)\b", re.IGNORECASE)


def wants_modules(texts: Iterable[str]) -> bool:
    """Whether sources import any of the modules that Glue provides beside PySpark and the SDK.

    Examples
    --------
    >>> [wants_modules([text]) for text in ("import boto3", "from numpy import nan", "df.toPandas()")]
    [False, True, True]
    """
    return any(_OF_PYSPARK.search(text) or PROVIDED & _imported(text) for text in texts)


def _imported(source: str) -> frozenset[str]:
    """First names of what a source imports; of one that is not Python 3, every word after an import."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset(re.findall(r"(?:import|from)\s+(\w+)", source))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return frozenset(names)


def sources(paths: Iterable[Path]) -> list[str]:
    """The Python sources in files: modules, and what is in zips and wheels."""
    found: list[str] = []
    for path in paths:
        if path.suffix == ".py":
            found.append(path.read_text(errors="replace"))
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".py")]
                found += [io.TextIOWrapper(archive.open(name), errors="replace").read() for name in names]
    return found
