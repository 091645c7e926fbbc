"""What a run writes, in CloudWatch Logs under the names that Glue uses.

The names are those of "Logging for AWS Glue jobs" and "Enabling continuous logging" in the Developer Guide.
"""

from __future__ import annotations

from dataclasses import dataclass

from millpond.planes.common.logs import Destination
from millpond.planes.glue.arguments import Parameters


@dataclass(frozen=True)
class Destinations:
    """Where the two streams of a run go."""

    output: tuple[Destination, ...]
    error: tuple[Destination, ...]


def destinations(run_id: str, parameters: Parameters, *, is_spark: bool) -> Destinations:
    """The log streams of a run.

    Parameters
    ----------
    run_id : str
        Its id, which is also the name of its streams.
    parameters : Parameters
        Names that the run asks for, and whether it logs continuously.
    is_spark : bool
        Spark and Python shell jobs have different groups.
    """
    prefix = parameters.group_prefix.rstrip("/") or (
        "/aws-glue/jobs" if is_spark else "/aws-glue/python-jobs"
    )
    output = Destination(f"{prefix}/output", run_id)
    error = Destination(f"{prefix}/error", run_id)
    if not (is_spark and parameters.enables_continuous_log):
        return Destinations((output,), (error,))
    stream = f"{parameters.log_stream_prefix}-{run_id}" if parameters.log_stream_prefix else run_id
    continuous = Destination(parameters.log_group or "/aws-glue/jobs/logs-v2", f"{stream}-driver")
    return Destinations((output,), (error, continuous))
