"""What a Spark job gets: cores, heap, properties, and the environment of its driver."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

from millpond.planes.common.context import PlaneContext
from millpond.planes.glue.arguments import Parameters
from millpond.planes.glue.environments import Environment
from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.glue.jobs import WORKER_DPUS
from millpond.planes.glue.jvms import ENGINE_OPTIONS, JvmSpec, spark_home
from millpond.planes.glue.staging import RunFolder
from millpond.planes.glue.versions import GlueVersion

# What a worker's container has (docker/glue): the image of Glue 5, and Iceberg in it.
IN_CONTAINERS = ("5.0", "5.1")
_FORMATS_IN_CONTAINERS = ("iceberg",)

_VCPUS_PER_DPU = 4
_MIN_HEAP_MB = 1024
# A laptop's share of what a worker has on AWS. Never more than a quarter of the machine: the engine, the
# database and other runs live on it too.
_HEAP_MB = {"G.025X": 1024, "Standard": 2048, "G.1X": 2048, "R.1X": 2048, "G.2X": 3072, "R.2X": 3072}
_LARGEST_HEAP_MB = 4096

# The first reads the properties that the run's interpreter sets in its JVM; executors in processes of their
# own have the environment.
_CREDENTIALS_1 = (
    "com.amazonaws.auth.SystemPropertiesCredentialsProvider,"
    "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"
)
_CREDENTIALS_2 = (
    "software.amazon.awssdk.auth.credentials.SystemPropertyCredentialsProvider,"
    "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"
)
_LOCAL_CLUSTER = "local-cluster"
_EXECUTOR_MB = 1024

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
    executors : int
        Most processes of a core and 1 GiB that the machine has for it.
    """

    cores: int
    heap_mb: int
    executors: int = 1


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
    heap = min(_HEAP_MB.get(worker_type, _LARGEST_HEAP_MB), share)
    return LocalSize(cores, heap, max(1, min(cpu_count, share // _EXECUTOR_MB)))


def cluster(parameters: Parameters, settings: Mapping[str, Any], master: str, size: LocalSize) -> str:
    """``spark.master`` of a run whose executors are processes of their own; empty of any other.

    Parameters
    ----------
    parameters : Parameters
        ``spark.master`` of its ``--conf`` wins: ``local-cluster``, or the address of a master.
    settings : mapping
        Of its ``NumberOfWorkers`` one is the driver's, as on AWS. Each other is an executor of a core and
        1 GiB in ``local-cluster``: as many as the machine has, but two where so many are asked for, since
        with two it shows what one executor has and another has not.
    master : str
        What the setting says.
    size : LocalSize
        Of the run on this machine.

    Examples
    --------
    >>> cluster(Parameters(), {"NumberOfWorkers": 3}, "local-cluster", LocalSize(2, 2048, 4))
    'local-cluster[2,1,1024]'
    """
    asked = parameters.spark_conf.get("spark.master", master)
    if asked == _LOCAL_CLUSTER:
        wanted = max(1, int(settings.get("NumberOfWorkers", settings.get("MaxCapacity", 2))) - 1)
        return f"{_LOCAL_CLUSTER}[{min(wanted, max(2, size.executors))},1,{_EXECUTOR_MB}]"
    return asked if asked.startswith((f"{_LOCAL_CLUSTER}[", "spark://")) else ""


def cluster_defaults(master: str, jars: Sequence[Path]) -> str:
    """Properties by which executors find what the driver has beside Spark's own jars."""
    properties = {
        "spark.master": master,
        "spark.executor.memory": f"{_EXECUTOR_MB}m",
        "spark.executor.extraClassPath": ":".join(map(str, jars)),
        "spark.executor.extraJavaOptions": f"{' '.join(ENGINE_OPTIONS)} -Duser.timezone=UTC",
    }
    return "".join(f"{name} {value}\n" for name, value in properties.items() if value)


def check_supported(version: GlueVersion, parameters: Parameters) -> None:
    """Refuse what a version is not here, rather than run the script on something else.

    Raises
    ------
    LaunchError
        Naming the setting.
    """
    _check_language(parameters)
    for name in parameters.formats:
        if name not in version.formats:
            known = ", ".join(version.formats)
            raise LaunchError(
                f"LAUNCH ERROR | --datalake-formats {name} is not available in Millpond for Glue "
                f"{version.name}, which has {known}. A jar of it can be given by --extra-jars."
            )


def check_in_container(job: Mapping[str, Any], parameters: Parameters) -> None:
    """Refuse what the image of a worker's container does not have.

    Raises
    ------
    LaunchError
        Naming the setting.
    """
    _check_language(parameters)
    refusals = {
        f"Glue version {job['GlueVersion']} (use {' or '.join(IN_CONTAINERS)})": job["GlueVersion"]
        not in IN_CONTAINERS,
        "--enable-spark-ui with --spark-event-logs-path": bool(parameters.event_log),
        "spark.master=local-cluster": parameters.spark_conf.get("spark.master") == _LOCAL_CLUSTER,
    }
    refusals |= {
        f"--datalake-formats {name}": name not in _FORMATS_IN_CONTAINERS for name in parameters.formats
    }
    for what, is_asked_for in refusals.items():
        if is_asked_for:
            raise LaunchError(f"LAUNCH ERROR | {what} is not available in Millpond's containers.")


def _check_language(parameters: Parameters) -> None:
    if parameters.job_language != "python":
        raise LaunchError(
            f"LAUNCH ERROR | --job-language {parameters.job_language} is not available in Millpond."
        )


def jvm_spec(
    size: LocalSize,
    parameters: Parameters,
    jars: Sequence[Path],
    environment: Environment | None = None,
    *,
    has_executors: bool = False,
) -> JvmSpec:
    """The JVM that a run needs.

    Parameters
    ----------
    size : LocalSize
        Its heap, unless ``--conf spark.driver.memory`` says another.
    parameters : Parameters
        What the run asks for.
    jars : sequence of Path
        Its ``--extra-jars``.
    environment : Environment, optional
        What it is executed in; None in a container, which has its own.
    has_executors : bool
        Whether executors are processes of their own.
    """
    conf = parameters.spark_conf
    class_path = [*map(str, jars), *filter(None, conf.get("spark.driver.extraClassPath", "").split(":"))]
    return JvmSpec(
        heap=conf.get("spark.driver.memory", f"{size.heap_mb}m"),
        options=tuple(shlex.split(conf.get("spark.driver.extraJavaOptions", ""))),
        class_path=tuple(class_path),
        submit_conf=tuple((k, v) for k, v in conf.items() if k.startswith(_ON_SUBMISSION)),
        python=environment.python if environment else None,
        jars=environment.jars if environment else (),
        has_executors=has_executors,
    )


def defaults(context: PlaneContext, folder: RunFolder, size: LocalSize, *, has_sdk_2: bool = False) -> str:
    """Content of ``spark-defaults.conf`` of a run; no secret is in it.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    folder : RunFolder
        Of the run.
    size : LocalSize
        Cores and heap.
    has_sdk_2 : bool
        Whether S3A calls version 2 of AWS's SDK for Java. That of version 1 tells a KMS key over TLS only.
    """
    template = (context.tools.glue_runtime / "conf" / "spark-defaults.conf").read_text()
    return Template(template).substitute(
        cores=size.cores,
        heap_mb=size.heap_mb,
        tmp_dir=folder.tmp,
        work_dir=folder.work,
        s3a_endpoint=context.endpoint_url
        if has_sdk_2
        else context.endpoint_url.replace("http:", "https:", 1),
        s3a_tls=str(not has_sdk_2).lower(),
        credentials=_CREDENTIALS_2 if has_sdk_2 else _CREDENTIALS_1,
        region=context.region,
    )


def event_log_defaults(address: str) -> str:
    """Properties by which Spark writes its event log (``--enable-spark-ui``).

    Examples
    --------
    >>> print(event_log_defaults("s3://logs/"), end="")
    spark.eventLog.enabled true
    spark.eventLog.dir s3://logs//
    """
    # Spark takes one slash from the end, and S3A wants the path of a bucket's root to be one.
    if not urlsplit(address).path.strip("/"):
        address = f"{address.rstrip('/')}//"
    return f"spark.eventLog.enabled true\nspark.eventLog.dir {address}\n"


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


def environment(
    context: PlaneContext, folder: RunFolder, gateway: tuple[int, str], python: Path
) -> dict[str, str]:
    """Variables that a Spark script has beyond those of every script.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    folder : RunFolder
        Of the run.
    gateway : (int, str)
        Port and secret of its JVM.
    python : Path
        Interpreter of its version.
    """
    port, secret = gateway
    return {
        "JAVA_HOME": str(context.tools.java_home),
        "SPARK_HOME": str(spark_home(python)),
        "SPARK_CONF_DIR": str(folder.conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_GATEWAY_PORT": str(port),
        "PYSPARK_GATEWAY_SECRET": secret,
    }
