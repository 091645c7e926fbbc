"""Job arguments: which win, which Glue keeps for itself, and what a script finds in ``sys.argv``.

The names are those of "Using job parameters in AWS Glue jobs" in the Glue Developer Guide.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from millpond.planes.glue.exceptions import LaunchError


class Effect(StrEnum):
    """What becomes of an argument here."""

    DONE = "done"
    """It does what AWS says."""
    KEPT = "without effect"
    """It is taken, the script does not see it, and nothing comes of it."""
    REFUSED = "refused"
    """A run that has it fails before its script starts."""


# What Glue acts on and a script does not see: what becomes of it, and what is to be known beside that.
ARGUMENTS: Mapping[str, tuple[Effect, str]] = {
    "--additional-python-modules": (Effect.DONE, "installed before the script starts"),
    "--auto-scale-within-microbatch": (Effect.KEPT, "one machine does not scale"),
    "--class": (Effect.KEPT, "of Scala jobs, which are refused"),
    "--conf": (Effect.DONE, "properties of Spark; one that is malformed ends the run"),
    "--continuous-log-conversionPattern": (Effect.KEPT, "lines are kept as they are written"),
    "--continuous-log-logGroup": (Effect.DONE, ""),
    "--continuous-log-logStreamPrefix": (Effect.DONE, ""),
    "--custom-logGroup-prefix": (Effect.DONE, ""),
    "--custom-logStream-prefix": (Effect.DONE, ""),
    "--customer-driver-env-vars": (Effect.DONE, "names begin with CUSTOMER_; jobs of Spark only"),
    "--customer-executor-env-vars": (Effect.DONE, "driver and executors are one process, with both"),
    "--datalake-formats": (Effect.DONE, "of the formats, those that the version has; others are refused"),
    "--disable-proxy-v2": (Effect.KEPT, "there is no proxy"),
    "--enable-auto-scaling": (Effect.DONE, "decides how DPU seconds are told; one machine does not scale"),
    "--enable-continuous-cloudwatch-log": (Effect.DONE, ""),
    "--enable-continuous-log-filter": (Effect.KEPT, "nothing of Spark's own is in the log"),
    "--enable-glue-datacatalog": (
        Effect.DONE,
        "Spark's metastore is the Data Catalog; refused in containers",
    ),
    "--enable-glue-di-transforms": (Effect.KEPT, "awsgluedi is AWS's own: a script cannot import it here"),
    "--enable-job-insights": (Effect.KEPT, "no analysis is written"),
    "--enable-lakeformation-fine-grained-access": (Effect.KEPT, "Lake Formation decides nothing here"),
    "--enable-metrics": (
        Effect.DONE,
        "what Spark counts, told at the end of a run whose script does not stop Spark itself",
    ),
    "--enable-observability-metrics": (
        Effect.DONE,
        "likewise; none of skewness, disks, sources and sinks, and no categories of errors",
    ),
    "--enable-rename-algorithm-v2": (Effect.KEPT, "S3A's committer renames"),
    "--enable-s3-parquet-optimized-committer": (Effect.KEPT, "S3A's committer writes"),
    "--enable-spark-ui": (
        Effect.DONE,
        "Spark's event log is written to --spark-event-logs-path; `millpond spark-history` opens it",
    ),
    "--extra-files": (Effect.DONE, ""),
    "--extra-jars": (Effect.DONE, ""),
    "--extra-py-files": (Effect.DONE, ""),
    "--job-language": (Effect.DONE, "python; scala is refused"),
    "--library-set": (Effect.DONE, "analytics or none, which is the default; Python shell jobs only"),
    "--python-modules-installer-option": (Effect.DONE, ""),
    "--scriptLocation": (Effect.DONE, ""),
    "--spark-event-logs-path": (Effect.DONE, "with --enable-spark-ui; refused in containers"),
    "--use-postgres-driver": (Effect.KEPT, "PostgreSQL's driver is always there"),
    "--user-jars-first": (Effect.KEPT, "jars of --extra-jars stand first already"),
    "--write-shuffle-files-to-s3": (Effect.KEPT, "shuffles stay on this machine's disk"),
    "--write-shuffle-spills-to-s3": (Effect.KEPT, "shuffles stay on this machine's disk"),
}
CUSTOMER = "CUSTOMER_"


@dataclass(frozen=True)
class Parameters:
    """What the reserved arguments of a run ask for.

    Parameters
    ----------
    extra_py_files, extra_files, extra_jars : tuple of str
        S3 addresses.
    python_modules : tuple of str
        Requirements, or S3 addresses of wheels.
    installer_options : str
        Passed to pip.
    spark_conf : mapping
        Spark properties.
    job_language : str
        ``python`` or ``scala``.
    script_location : str
        S3 address that replaces the job's own; empty for the job's.
    enables_catalog, enables_auto_scaling, enables_continuous_log, enables_bookmark : bool
        Switches.
    formats : tuple of str
        Table formats asked for (``--datalake-formats``).
    log_group, log_stream_prefix, group_prefix : str
        Names for the logs; empty for Glue's own.
    variables : mapping
        Environment variables of the driver and of the executors, which are one process.
    event_log : str
        S3 address of the directory for Spark's event log; empty for none.
    library_set : str
        ``analytics`` or ``none``: the modules that a Python shell job finds.
    """

    extra_py_files: tuple[str, ...] = ()
    extra_files: tuple[str, ...] = ()
    extra_jars: tuple[str, ...] = ()
    python_modules: tuple[str, ...] = ()
    installer_options: str = ""
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    job_language: str = "python"
    script_location: str = ""
    enables_catalog: bool = False
    enables_auto_scaling: bool = False
    enables_continuous_log: bool = False
    enables_bookmark: bool = False
    formats: tuple[str, ...] = ()
    log_group: str = ""
    log_stream_prefix: str = ""
    group_prefix: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    event_log: str = ""
    library_set: str = "none"


def merge(job: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Arguments of a run: the run's win over the job's defaults, the non-overridable ones over both.

    Parameters
    ----------
    job : mapping
        The ``Job`` structure.
    given : mapping
        ``Arguments`` of ``StartJobRun``.
    """
    return {**job.get("DefaultArguments", {}), **given, **job.get("NonOverridableArguments", {})}


def parse(arguments: Mapping[str, str]) -> Parameters:
    """Read the reserved arguments of a run.

    Raises
    ------
    LaunchError
        If one is malformed.
    """
    return Parameters(
        extra_py_files=_list(arguments.get("--extra-py-files")),
        extra_files=_list(arguments.get("--extra-files")),
        extra_jars=_list(arguments.get("--extra-jars")),
        python_modules=requirements(arguments.get("--additional-python-modules", "")),
        installer_options=arguments.get("--python-modules-installer-option", ""),
        spark_conf=spark_conf(arguments.get("--conf", "")),
        job_language=arguments.get("--job-language", "python"),
        script_location=arguments.get("--scriptLocation", ""),
        enables_catalog=is_on(arguments, "--enable-glue-datacatalog"),
        enables_auto_scaling=is_on(arguments, "--enable-auto-scaling"),
        enables_continuous_log=is_on(arguments, "--enable-continuous-cloudwatch-log"),
        enables_bookmark=arguments.get("--job-bookmark-option") == "job-bookmark-enable",
        formats=tuple(name.lower() for name in _list(arguments.get("--datalake-formats"))),
        log_group=arguments.get("--continuous-log-logGroup", ""),
        log_stream_prefix=arguments.get("--continuous-log-logStreamPrefix", "")
        or arguments.get("--custom-logStream-prefix", ""),
        group_prefix=arguments.get("--custom-logGroup-prefix", ""),
        event_log=_event_log(arguments),
        library_set=_library_set(arguments),
        variables={
            **customer_variables("--customer-executor-env-vars", arguments),
            **customer_variables("--customer-driver-env-vars", arguments),
        },
    )


def customer_variables(name: str, arguments: Mapping[str, str]) -> dict[str, str]:
    """The environment variables in ``--customer-driver-env-vars`` or its like of executors.

    Values stand in quotes where they have a comma ("Using job parameters in AWS Glue jobs").

    Raises
    ------
    LaunchError
        If one has no value, or a name that does not begin with ``CUSTOMER_``.

    Examples
    --------
    >>> customer_variables("--x", {"--x": "CUSTOMER_A=1, CUSTOMER_B=2"})
    {'CUSTOMER_A': '1', 'CUSTOMER_B': '2'}
    """
    variables: dict[str, str] = {}
    for pair in next(csv.reader([_quoted_pairs(arguments.get(name, ""))], skipinitialspace=True), []):
        key, separator, value = pair.strip().partition("=")
        if not separator or not key.startswith(CUSTOMER):
            raise LaunchError(
                f"LAUNCH ERROR | Invalid input to {name}: {key} is not a variable {CUSTOMER}NAME=VALUE."
            )
        variables[key] = value
    return variables


def _quoted_pairs(text: str) -> str:
    """The same list with the quotes around whole pairs, as a reader of CSV takes them."""
    return re.sub(r'(\w+)="([^"]*)"', r'"\1=\2"', text)


def wheels_to_install(parameters: Parameters, *, is_spark: bool) -> tuple[str, ...]:
    """The extra Python files that are installed: for a Python shell job those that are wheels.

    Raises
    ------
    LaunchError
        If a Python shell job has a wheel where Glue takes none.
    """
    if is_spark:
        return ()
    for module in parameters.python_modules:
        if module.startswith("s3://"):
            raise LaunchError(
                f"Installation of additional Python modules failed: {module} is on Amazon S3. "
                "A Python shell job takes a wheel by --extra-py-files."
            )
    return tuple(file for file in parameters.extra_py_files if file.endswith(".whl"))


def requirements(value: str) -> tuple[str, ...]:
    """The requirements of ``--additional-python-modules``, of which each may itself contain commas.

    Examples
    --------
    >>> requirements("pandas>=2,<3,s3://bucket/own-1.0-py3-none-any.whl")
    ('pandas>=2,<3', 's3://bucket/own-1.0-py3-none-any.whl')
    """
    return tuple(part.strip() for part in re.split(r",(?!\s*[<>=!~])", value) if part.strip())


def spark_conf(value: str) -> dict[str, str]:
    """The properties in the value of ``--conf``.

    A job has one argument of each name, so several properties come as ``a=1 --conf b=2 --conf c=3``.

    Examples
    --------
    >>> spark_conf("spark.a=1 --conf spark.b=x y")
    {'spark.a': '1', 'spark.b': 'x y'}
    """
    properties: dict[str, str] = {}
    for part in (part.strip() for part in f" {value}".split(" --conf ")):
        if not part:
            continue
        name, separator, setting = part.partition("=")
        if not separator or not name.strip() or " " in name.strip():
            raise LaunchError("LAUNCH ERROR | Invalid input to --conf. Please refer logs for details.")
        properties[name.strip()] = setting.strip()
    return properties


def for_spark_script(arguments: Mapping[str, str], job_name: str, job_id: str, run_id: str) -> list[str]:
    """``sys.argv[1:]`` of a Spark script: its own arguments, then what Glue adds."""
    added = {"--JOB_ID": job_id, "--JOB_RUN_ID": run_id, "--JOB_NAME": job_name}
    return _flatten({**_own(arguments), **added})


def for_shell_script(arguments: Mapping[str, str]) -> list[str]:
    """``sys.argv[1:]`` of a Python shell script: its own arguments; Glue adds no ``JOB_NAME`` to them."""
    return _flatten(_own(arguments))


def without_effect(arguments: Mapping[str, str]) -> str:
    """A line that says which of a run's arguments nothing comes of; empty where there are none.

    Examples
    --------
    >>> without_effect({"--enable-job-insights": "true", "--table": "orders"})
    'WARNING: without effect here: --enable-job-insights (no analysis is written)'
    """
    kept = [
        f"{name} ({ARGUMENTS[name][1]})"
        for name in sorted(arguments)
        if name in ARGUMENTS and ARGUMENTS[name][0] is Effect.KEPT and arguments[name].lower() != "false"
    ]
    return f"WARNING: without effect here: {', '.join(kept)}" if kept else ""


def _own(arguments: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in arguments.items() if name not in ARGUMENTS}


def _flatten(arguments: Mapping[str, str]) -> list[str]:
    return [part for pair in arguments.items() for part in pair]


def _event_log(arguments: Mapping[str, str]) -> str:
    """Where the event log goes ("Enabling the Apache Spark web UI for AWS Glue jobs")."""
    if not is_on(arguments, "--enable-spark-ui"):
        return ""
    path = arguments.get("--spark-event-logs-path", "")
    if path and not path.startswith(("s3://", "s3a://")):
        raise LaunchError(
            f"LAUNCH ERROR | Invalid input to --spark-event-logs-path: {path} is not on Amazon S3."
        )
    return path


def _library_set(arguments: Mapping[str, str]) -> str:
    found = arguments.get("--library-set", arguments.get("library-set", "none"))
    if found not in ("analytics", "none"):
        raise LaunchError(f"LAUNCH ERROR | Invalid input to --library-set: {found} is not analytics or none.")
    return found


def _list(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def is_on(arguments: Mapping[str, str], name: str) -> bool:
    """Whether a switch is given, without a value or with ``true``."""
    return name in arguments and arguments[name].strip().lower() in ("", "true")
