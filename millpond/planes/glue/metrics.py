"""What Glue tells CloudWatch of job runs.

Sources: "Monitoring AWS Glue using Amazon CloudWatch metrics" and "Monitoring with AWS Glue observability
metrics" in the Glue Developer Guide: Spark jobs report them, in the namespace ``Glue``, when the job has
``--enable-metrics`` and ``--enable-observability-metrics``; every metric once for its run and once for
``JobRunId`` ``ALL``. Glue reports every half minute; here a run does when it ends. What Spark counts is
``glue_runtime/spark_measures.py``'s; driver and executors are one process, so each metric of the driver is
that of ``ALL`` as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from millpond.planes.common.telemetry import datum
from millpond.planes.glue.arguments import is_on
from millpond.planes.glue.runs import JobRun, Shape, State

NAMESPACE = "Glue"
_METRICS = "--enable-metrics"
_OBSERVABILITY = "--enable-observability-metrics"
_FINAL_COUNTS = (State.SUCCEEDED, State.FAILED, State.TIMEOUT)
_MEGABYTE = 1024 * 1024

# Metrics with --enable-metrics that are a measure: name, measure, unit, Type.
_PROFILED = (
    ("glue.driver.aggregate.bytesRead", "bytes_read", "Bytes", "count"),
    ("glue.driver.aggregate.recordsRead", "records_read", "Count", "count"),
    ("glue.driver.aggregate.shuffleBytesWritten", "shuffle_bytes_written", "Bytes", "count"),
    ("glue.driver.aggregate.shuffleLocalBytesRead", "shuffle_bytes_read", "Bytes", "count"),
    ("glue.driver.aggregate.numCompletedStages", "completed_stages", "Count", "count"),
    ("glue.driver.aggregate.numCompletedTasks", "completed_tasks", "Count", "count"),
    ("glue.driver.aggregate.numFailedTasks", "failed_tasks", "Count", "count"),
    ("glue.driver.aggregate.numKilledTasks", "killed_tasks", "Count", "count"),
    ("glue.driver.jvm.heap.used", "heap_used", "Bytes", "gauge"),
    ("glue.ALL.jvm.heap.used", "heap_used", "Bytes", "gauge"),
)
# Those with --enable-observability-metrics: name, measure, unit, ObservabilityGroup.
_OBSERVED = (
    ("glue.driver.memory.heap.used", "heap_used", "Bytes", "resource_utilization"),
    ("glue.ALL.memory.heap.used", "heap_used", "Bytes", "resource_utilization"),
    ("glue.driver.bytesRead", "bytes_read", "Bytes", "throughput"),
    ("glue.driver.recordsRead", "records_read", "Count", "throughput"),
    ("glue.driver.bytesWritten", "bytes_written", "Bytes", "throughput"),
    ("glue.driver.recordsWritten", "records_written", "Count", "throughput"),
)


def is_asked_for(run: JobRun) -> bool:
    """Whether a run tells what Spark counts."""
    return any(is_on(run.all_arguments, name) for name in (_METRICS, _OBSERVABILITY))


def of_run(run: JobRun) -> list[Shape]:
    """Data of a run that has ended."""
    if not run.is_spark:
        return []
    data: list[Shape] = []
    arguments, measures = run.all_arguments, run.measures or {}
    for run_id in (run.id, "ALL"):
        of = {"JobName": run.job_name, "JobRunId": run_id}
        if is_on(arguments, _METRICS):
            data += _profiled(run, measures, of)
        if is_on(arguments, _OBSERVABILITY):
            data += _observed(run, measures, of)
    return data


def _profiled(run: JobRun, measures: Mapping[str, float], of: Mapping[str, str]) -> Iterator[Shape]:
    if run.running_since and run.completed_on:
        elapsed = (run.completed_on - run.running_since).total_seconds() * 1000
        yield datum("glue.driver.aggregate.elapsedTime", elapsed, "Milliseconds", **of, Type="count")
    for name, measure, unit, kind in _PROFILED:
        if measure in measures:
            yield datum(name, measures[measure], unit, **of, Type=kind)
    if measures:
        disk = measures["disk_bytes"] / _MEGABYTE
        yield datum("glue.driver.BlockManager.disk.diskSpaceUsed_MB", disk, "Megabytes", **of, Type="gauge")
        for who in ("driver", "ALL"):
            usage = measures["heap_used"] / measures["heap_most"]
            yield datum(f"glue.{who}.jvm.heap.usage", usage, "Percent", **of, Type="gauge")


def _observed(run: JobRun, measures: Mapping[str, float], of: Mapping[str, str]) -> Iterator[Shape]:
    if run.state in _FINAL_COUNTS:
        name = "glue.succeed.ALL" if run.state is State.SUCCEEDED else "glue.error.ALL"
        yield datum(name, 1, "Count", **of, Type="count", ObservabilityGroup="error")
    for name, measure, unit, group in _OBSERVED:
        if measure in measures:
            yield datum(name, measures[measure], unit, **of, Type="gauge", ObservabilityGroup=group)
    if measures:
        percentage = 100 * measures["heap_used"] / measures["heap_most"]
        for who in ("driver", "ALL"):
            yield datum(
                f"glue.{who}.memory.heap.used.percentage",
                percentage,
                "Percent",
                **of,
                Type="gauge",
                ObservabilityGroup="resource_utilization",
            )
