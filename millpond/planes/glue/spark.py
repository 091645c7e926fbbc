"""What a Spark job gets: cores, heap, properties, and the environment of its driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from millpond.planes.context import PlaneContext
from millpond.planes.glue.arguments import Parameters
from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.glue.jobs import WORKER_DPUS
from millpond.planes.glue.modules import interpreter_facts
from millpond.planes.glue.staging import RunFolder

SUPPORTED_GLUE_VERSIONS = ("5.0", "5.1")

_VCPUS_PER_DPU = 4
_MIN_HEAP_MB = 1024
# A laptop's share of what a worker has on AWS. Never more than a quarter of the machine: the engine, the
# database and other runs live on it too.
_HEAP_MB = {"G.025X": 1024, "Standard": 2048, "G.1X": 2048, "R.1X": 2048, "G.2X": 3072, "R.2X": 3072}
_LARGEST_HEAP_MB = 4096

_JAVA_OPTIONS = "-Djava.net.preferIPv4Stack=true -Duser.timezone=UTC -XX:+UseParallelGC"
# These act when a JVM starts, so a warm one cannot take them.
_JVM_LEVEL = (
    "spark.driver.defaultJavaOptions",
    "spark.driver.extraClassPath",
    "spark.driver.extraJavaOptions",
    "spark.driver.extraLibraryPath",
    "spark.driver.memory",
    "spark.jars",
)


@dataclass(frozen=True)
class LocalSize:
    """Cores and heap of a run on this machine.

    Parameters
    ----------
    cores : int
        Tasks at a time.
    heap_mb : int
        Largest heap of the JVM, in MiB.
    """

    cores: int
    heap_mb: int


def local_size(settings: Mapping[str, Any], cpu_count: int, memory_bytes: int) -> LocalSize:
    """What the worker settings of a run become on one machine.

    Parameters
    ----------
    settings : mapping
        ``WorkerType`` and ``NumberOfWorkers``, or ``MaxCapacity``.
    cpu_count, memory_bytes : int
        Of the machine.
    """
    worker_type = settings.get("WorkerType", "Standard")
    dpus = WORKER_DPUS[worker_type] * settings.get("NumberOfWorkers", 1)
    cores = max(1, min(cpu_count, int(dpus * _VCPUS_PER_DPU)))
    share = max(_MIN_HEAP_MB, memory_bytes // 4 // 2**20)
    return LocalSize(cores, min(_HEAP_MB.get(worker_type, _LARGEST_HEAP_MB), share))


def check_supported(job: Mapping[str, Any], parameters: Parameters) -> None:
    """Refuse what this Spark is not, rather than run the script on something else.

    Raises
    ------
    LaunchError
        Naming the setting.
    """
    version = job["GlueVersion"]
    refusals = {
        f"Glue version {version} (use {' or '.join(SUPPORTED_GLUE_VERSIONS)})": version
        not in SUPPORTED_GLUE_VERSIONS,
        f"--job-language {parameters.job_language}": parameters.job_language != "python",
        "--enable-glue-datacatalog": parameters.enables_catalog,
        f"--datalake-formats {parameters.datalake_formats}": bool(parameters.datalake_formats),
    }
    for what, is_asked_for in refusals.items():
        if is_asked_for:
            raise LaunchError(f"LAUNCH ERROR | {what} is not available in Millpond.")


def fits_warm_jvm(parameters: Parameters) -> bool:
    """Whether a JVM that was started with the default settings can serve a run."""
    return not parameters.extra_jars and not any(
        name == level or name.startswith("spark.jars.")
        for name in parameters.spark_conf
        for level in _JVM_LEVEL
    )


def write_conf(
    context: PlaneContext,
    conf: Path,
    *,
    size: LocalSize,
    tmp: Path,
    work: Path,
    jars: Path,
    extra: Mapping[str, str],
) -> None:
    """Write ``spark-defaults.conf`` and ``log4j2.properties`` of one JVM; no secret is in them.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    conf : Path
        Directory for ``SPARK_CONF_DIR``.
    size : LocalSize
        Cores and heap.
    tmp, work, jars : Path
        Directories of the run.
    extra : mapping
        Properties from ``--conf``; they win over ours, but options and class path are added to ours.
    """
    templates = context.tools.glue_runtime / "conf"
    own = dict(extra)
    java_options = (
        f"-Djava.io.tmpdir={tmp} {_JAVA_OPTIONS} {own.pop('spark.driver.extraJavaOptions', '')}".strip()
    )
    class_path = ":".join(
        part
        for part in (f"{jars}/*", f"{context.tools.jars_dir}/*", own.pop("spark.driver.extraClassPath", ""))
        if part
    )
    text = Template((templates / "spark-defaults.conf").read_text()).substitute(
        cores=size.cores,
        heap_mb=size.heap_mb,
        java_options=java_options,
        class_path=class_path,
        tmp_dir=tmp,
        work_dir=work,
        endpoint_url=context.endpoint_url,
        region=context.region,
        ssl_enabled=str(context.endpoint_url.startswith("https:")).lower(),
    )
    (conf / "spark-defaults.conf").write_text(text + "".join(f"{k} {v}\n" for k, v in own.items()))
    (conf / "log4j2.properties").write_text((templates / "log4j2.properties").read_text())


def environment(context: PlaneContext, conf: Path) -> dict[str, str]:
    """Variables of every Spark process: driver, cold JVM and warm JVM."""
    return {
        "JAVA_HOME": str(context.tools.java_home),
        "SPARK_HOME": str(spark_home(context.tools.spark_python)),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(context.tools.spark_python),
    }


def spark_home(python: Path) -> Path:
    """Where PySpark's own Spark is in an interpreter's environment.

    Raises
    ------
    LaunchError
        If the environment has no PySpark.
    """
    for entry in interpreter_facts(python)[1]:
        if (home := Path(entry) / "pyspark").joinpath("bin/spark-submit").exists():
            return home
    raise LaunchError(f"LAUNCH ERROR | PySpark is not installed in {python}: run `millpond doctor`.")


def conf_of_run(context: PlaneContext, folder: RunFolder, size: LocalSize, parameters: Parameters) -> None:
    """Write the Spark configuration of a run into its folder."""
    write_conf(
        context,
        folder.conf,
        size=size,
        tmp=folder.tmp,
        work=folder.work,
        jars=folder.jars,
        extra=parameters.spark_conf,
    )
