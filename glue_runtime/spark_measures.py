"""What Spark's own listener has counted when a script ends, for the metrics of its run.

It is kept by Spark's status store, whose classes are those of its REST API (``ExecutorSummary``, ``JobData``,
``StageData``), the same in all versions.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator


def write(context: Any, path: str) -> None:
    """Write the measures of a context that still runs, as JSON."""
    with open(path, "w", encoding="utf-8") as out:  # noqa: PTH123 (of every Python)
        json.dump(of(context), out)


def of(context: Any) -> Dict[str, float]:
    """The measures of a context by their names here.

    Parameters
    ----------
    context : SparkContext

    Returns
    -------
    dict
        Numbers of tasks, stages and records; bytes; seconds.
    """
    store = context._jsc.sc().statusStore()
    executors = list(_each(store.executorList(False)))
    jobs = list(_each(store.jobsList(None)))
    stage_ids = {stage for job in jobs for stage in _each(job.stageIds())}
    stages = [stage for stage in (_stage(store, number) for number in stage_ids) if stage is not None]
    runtime = context._jvm.java.lang.Runtime.getRuntime()
    return {
        "bytes_read": sum(executor.totalInputBytes() for executor in executors),
        "shuffle_bytes_written": sum(executor.totalShuffleWrite() for executor in executors),
        "shuffle_bytes_read": sum(executor.totalShuffleRead() for executor in executors),
        "disk_bytes": sum(executor.diskUsed() for executor in executors),
        "completed_tasks": sum(executor.completedTasks() for executor in executors),
        "failed_tasks": sum(executor.failedTasks() for executor in executors),
        "killed_tasks": sum(job.numKilledTasks() for job in jobs),
        "completed_stages": sum(job.numCompletedStages() for job in jobs),
        "records_read": sum(stage.inputRecords() for stage in stages),
        "bytes_written": sum(stage.outputBytes() for stage in stages),
        "records_written": sum(stage.outputRecords() for stage in stages),
        "heap_used": runtime.totalMemory() - runtime.freeMemory(),
        "heap_most": runtime.maxMemory(),
    }


def _stage(store: Any, number: int) -> Any:
    """A stage, or None of one that Spark has forgotten (``spark.ui.retainedStages``)."""
    from py4j.protocol import Py4JJavaError

    try:
        return store.lastStageAttempt(number)
    except Py4JJavaError as error:
        if "NoSuchElement" in str(error.java_exception):
            return None
        raise


def _each(seq: Any) -> Iterator[Any]:
    """The elements of a ``Seq`` of Scala."""
    return (seq.apply(number) for number in range(seq.size()))
