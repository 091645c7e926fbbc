"""What a Spark job gets: cores, heap, properties, and the environment of its driver."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from millpond.planes.common.context import PlaneContext
from millpond.planes.glue.arguments import Parameters
from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.glue.jobs import WORKER_DPUS
from millpond.planes.glue.jvms import JvmSpec, spark_home
from millpond.planes.glue.staging import RunFolder

SUPPORTED_GLUE_VERSIONS = ("5.0", "5.1")
SUPPORTED_FORMATS = ("iceberg",)

_VCPUS_PER_DPU = 4
_MIN_HEAP_MB = 1024
# A laptop's share of what a worker has on AWS. Never more than a quarter of the machine: the engine, the
# database and other runs live on it too.
_HEAP_MB = {"G.025X": 1024, "Standard": 2048, "G.1X": 2048, "R.1X": 2048, "G.2X": 3072, "R.2X": 3072}
_LARGEST_HEAP_MB = 4096

# These act when a JVM starts, so it is started with them.
_ON_SUBMISSION = ("spark.jars", "spark.files", "spark.archives", "spark.submit.")


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
    }
    refusals |= {f"--datalake-formats {name}": name not in SUPPORTED_FORMATS for name in parameters.formats}
    for what, is_asked_for in refusals.items():
        if is_asked_for:
            raise LaunchError(f"LAUNCH ERROR | {what} is not available in Millpond.")


def jvm_spec(size: LocalSize, parameters: Parameters, jars: Sequence[Path]) -> JvmSpec:
    """The JVM that a run needs.

    Parameters
    ----------
    size : LocalSize
        Its heap, unless ``--conf spark.driver.memory`` says another.
    parameters : Parameters
        What the run asks for.
    jars : sequence of Path
        Its ``--extra-jars``.
    """
    conf = parameters.spark_conf
    class_path = [*map(str, jars), *filter(None, conf.get("spark.driver.extraClassPath", "").split(":"))]
    return JvmSpec(
        heap=conf.get("spark.driver.memory", f"{size.heap_mb}m"),
        options=tuple(shlex.split(conf.get("spark.driver.extraJavaOptions", ""))),
        class_path=tuple(class_path),
        submit_conf=tuple((k, v) for k, v in conf.items() if k.startswith(_ON_SUBMISSION)),
        formats=tuple(sorted(set(parameters.formats))),
    )


def defaults(context: PlaneContext, folder: RunFolder, size: LocalSize) -> str:
    """Content of ``spark-defaults.conf`` of a run; no secret is in it.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    folder : RunFolder
        Of the run.
    size : LocalSize
        Cores and heap.
    """
    template = (context.tools.glue_runtime / "conf" / "spark-defaults.conf").read_text()
    return Template(template).substitute(
        cores=size.cores,
        heap_mb=size.heap_mb,
        tmp_dir=folder.tmp,
        work_dir=folder.work,
        s3a_endpoint=context.endpoint_url.replace("http:", "https:", 1),
        region=context.region,
    )


def catalog_defaults(metastore: str, folder: RunFolder) -> str:
    """Properties by which ``spark_catalog`` is the Data Catalog (``--enable-glue-datacatalog``).

    Parameters
    ----------
    metastore : str
        Address of the run's metastore.
    folder : RunFolder
        Of the run: Hive's client wants a directory for scratch.
    """
    properties = {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.metastore.uris": metastore,
        "spark.hadoop.hive.exec.scratchdir": f"{folder.tmp}/hive",
    }
    return "".join(f"{name} {value}\n" for name, value in properties.items())


def environment(context: PlaneContext, folder: RunFolder, gateway: tuple[int, str]) -> dict[str, str]:
    """Variables that a Spark script has beyond those of every script.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    folder : RunFolder
        Of the run.
    gateway : (int, str)
        Port and secret of its JVM.
    """
    port, secret = gateway
    return {
        "JAVA_HOME": str(context.tools.java_home),
        "SPARK_HOME": str(spark_home(context.tools.spark_python)),
        "SPARK_CONF_DIR": str(folder.conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(context.tools.spark_python),
        "PYSPARK_GATEWAY_PORT": str(port),
        "PYSPARK_GATEWAY_SECRET": secret,
    }
