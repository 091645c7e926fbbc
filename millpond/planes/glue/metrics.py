"""What Glue tells CloudWatch of job runs.

Sources: "Monitoring AWS Glue using Amazon CloudWatch metrics" and "Monitoring with AWS Glue observability
metrics" in the Glue Developer Guide: Spark jobs report them, in the namespace ``Glue``, when the job has
``--enable-metrics`` and ``--enable-observability-metrics``; every metric once for its run and once for
``JobRunId`` ``ALL``. Of all metrics these are the ones that are known outside of Spark.
"""

from __future__ import annotations

from millpond.planes.common.telemetry import datum
from millpond.planes.glue.arguments import is_on
from millpond.planes.glue.runs import JobRun, Shape, State

NAMESPACE = "Glue"
_FINAL_COUNTS = (State.SUCCEEDED, State.FAILED, State.TIMEOUT)


def of_run(run: JobRun) -> list[Shape]:
    """Data of a run that has ended."""
    if not run.is_spark:
        return []
    data: list[Shape] = []
    arguments = run.all_arguments
    for run_id in (run.id, "ALL"):
        of = {"JobName": run.job_name, "JobRunId": run_id}
        if is_on(arguments, "--enable-metrics") and run.running_since and run.completed_on:
            elapsed = (run.completed_on - run.running_since).total_seconds() * 1000
            data.append(
                datum("glue.driver.aggregate.elapsedTime", elapsed, "Milliseconds", **of, Type="count")
            )
        if is_on(arguments, "--enable-observability-metrics") and run.state in _FINAL_COUNTS:
            name = "glue.succeed.ALL" if run.state is State.SUCCEEDED else "glue.error.ALL"
            data.append(datum(name, 1, "Count", **of, Type="count", ObservabilityGroup="error"))
    return data
