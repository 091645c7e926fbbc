"""What executing a run takes, wherever its script is executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.credentials import Credentials
from millpond.planes.glue import arguments, metrics, spark, staging
from millpond.planes.glue.arguments import Parameters
from millpond.planes.glue.runs import JobRun
from millpond.planes.glue.staging import RunFolder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Launch:
    """A run that is about to be executed.

    Parameters
    ----------
    context : PlaneContext
        The stack as the script reaches it, with the run's account and region.
    run : JobRun
        The run.
    folder : RunFolder
        Its folder.
    parameters : Parameters
        What its reserved arguments ask for.
    credentials : Credentials
        Of its role.
    s3 : S3Client
        Acts for its role.
    metastore : str
        Address of the metastore that Spark has as its catalog; empty for none.
    script : Path, optional
        Its script, where that is not one in S3.
    """

    context: PlaneContext
    run: JobRun
    folder: RunFolder
    parameters: Parameters
    credentials: Credentials
    s3: S3Client
    metastore: str = ""
    script: Path | None = None

    def script_arguments(self) -> list[str]:
        """``sys.argv[1:]`` of the script."""
        run = self.run
        if run.is_spark:
            return arguments.for_spark_script(run.all_arguments, run.job_name, run.job_id, run.id)
        return arguments.for_shell_script(run.all_arguments)

    def environment(self) -> dict[str, str]:
        """Variables that every script has, wherever it is executed; those of its interpreter are added."""
        measured = {"MILLPOND_GLUE_MEASURES_FILE": str(self.folder.measures)}
        judged = {"MILLPOND_GLUE_QUALITY_FILE": str(self.folder.quality)}
        return {
            **(measured if self.run.is_spark and metrics.is_asked_for(self.run) else {}),
            **(judged if self.run.is_spark else {}),
            "HOME": str(self.folder.path),
            "TMPDIR": str(self.folder.tmp),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONUNBUFFERED": "1",
            "AWS_REGION": self.context.region,
            "AWS_DEFAULT_REGION": self.context.region,
            "AWS_ENDPOINT_URL": self.context.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MILLPOND_GLUE_FAILURE_FILE": str(self.folder.failure),
            "MILLPOND_GLUE_BOOKMARK_FILE": str(self.folder.bookmark),
            **self.parameters.variables,
            **self.credentials.to_environment(),
        }

    def write_spark_conf(
        self,
        size: spark.LocalSize,
        *,
        has_sdk_2: bool = False,
        master: str = "",
        jars: Sequence[Path] = (),
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """Write ``spark-defaults.conf``; no secret is in it, and the properties of ``--conf`` win.

        Parameters
        ----------
        size : LocalSize
        has_sdk_2 : bool
            See :func:`millpond.planes.glue.spark.defaults`.
        master : str
            Of executors in processes of their own; empty where the driver is all there is.
        jars : sequence of Path
            What those executors get beside Spark's own.
        properties : mapping, optional
            Of the job's version.
        """
        text = spark.defaults(self.context, self.folder, size, has_sdk_2=has_sdk_2)
        if self.metastore:
            text += spark.catalog_defaults(self.metastore, self.folder)
        if self.parameters.event_log:
            text += spark.event_log_defaults(self.parameters.event_log)
        conf = dict(self.parameters.spark_conf)
        if master:
            text += spark.cluster_defaults(master, jars)
            conf.pop("spark.master", None)
        own = "".join(f"{key} {value}\n" for key, value in {**(properties or {}), **conf}.items())
        (self.folder.conf / "spark-defaults.conf").write_text(text + own)

    def make_event_log_directory(self) -> None:
        """Have the directory of the event log, which Spark wants to find.

        Raises
        ------
        LaunchError
            If it cannot be made.
        """
        if self.parameters.event_log:
            staging.make_directory(self.s3, self.parameters.event_log)

    def bring_jars(self) -> list[Path]:
        """Download the ``--extra-jars``.

        Raises
        ------
        LaunchError
            If one cannot be had.
        """
        return [
            staging.download(self.s3, address, self.folder.jars) for address in self.parameters.extra_jars
        ]
