"""What Step Functions lacks in LocalStack: Athena's optimised integration, and ending what it had started.

Sources: the Step Functions developer guide, "Call Athena with Step Functions", "Start an AWS Glue job with
Step Functions" and, in "Discover service integration patterns", "Run a Job (.sync)": a task that is stopped
or times out cancels its job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.model import StructureShape
from localstack.aws.api.stepfunctions import HistoryEventType, TaskFailedEventDetails
from localstack.aws.spec import load_service
from localstack.services.stepfunctions.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from localstack.services.stepfunctions.asl.component.common.error_name.error_name import ErrorName
from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from localstack.services.stepfunctions.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from localstack.services.stepfunctions.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task import (
    state_task_factory,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.credentials import (
    StateCredentials,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.resource import (  # noqa: E501
    ResourceCondition,
    ResourceRuntimePart,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service import (  # noqa: E501
    StateTaskService,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service_aws_sdk import (  # noqa: E501
    StateTaskServiceAwsSdk,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service_glue import (  # noqa: E501
    StateTaskServiceGlue,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service_sfn import (  # noqa: E501
    StateTaskServiceSfn,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.state_task import (
    StateTask,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.state_task_activitiy import (  # noqa: E501
    StateTaskActivity,
)
from localstack.services.stepfunctions.asl.eval.callback.callback import HeartbeatTimeoutError
from localstack.services.stepfunctions.asl.eval.environment import Environment
from localstack.services.stepfunctions.asl.eval.event.event_detail import EventDetails
from localstack.services.stepfunctions.asl.eval.program_state import ProgramStopped, ProgramTimedOut
from localstack.services.stepfunctions.asl.utils.boto_client import boto_client_for
from localstack.services.stepfunctions.asl.utils.encoding import to_json_str

from millpond.localstack_ext.engine import patches, planes
from millpond.localstack_ext.stepfunctions.errors import HEARTBEAT_TIMEOUT
from millpond.localstack_ext.stepfunctions.http_task import HttpTask

# "Optimized Athena APIs" of the developer guide.
ATHENA_ACTIONS = {
    "startQueryExecution": "StartQueryExecution",
    "stopQueryExecution": "StopQueryExecution",
    "getQueryExecution": "GetQueryExecution",
    "getQueryResults": "GetQueryResults",
}


# "Optimized AWS CodeBuild APIs" of the developer guide, without those of batch builds.
CODEBUILD_ACTIONS = {
    "startBuild": "StartBuild",
    "stopBuild": "StopBuild",
    "batchDeleteBuilds": "BatchDeleteBuilds",
    "batchGetReports": "BatchGetReports",
}

# How the errors of an optimised integration begin.
SERVICES = {"athena": "Athena", "codebuild": "CodeBuild", "glue": "Glue", "lambda": "Lambda", "sns": "SNS"}


@dataclass(frozen=True)
class _Job:
    """How to ask for a job's result, and how to end the job. A task in a Map has many, so it holds none."""

    resolve: Callable[[], Any | None]
    cancel: Callable[[], object]

    def __call__(self) -> Any | None:
        return self.resolve()

    def outcome_or_cancelled(self, outcome: Any | None) -> Any:
        """The outcome; if there is none, the task was stopped or timed out, and the job ends with it.

        Raises
        ------
        RuntimeError
            In that case, so that the history does not say that the task succeeded.
        """
        if outcome is None:
            self.cancel()
            raise RuntimeError("The task ended before its job, which was cancelled")
        return outcome


class AthenaTask(StateTaskServiceCallback):
    """A task of ``arn:aws:states:::athena:…``, with ``.sync`` for ``startQueryExecution``."""

    def __init__(self) -> None:
        super().__init__({ResourceCondition.Sync})  # type: ignore[arg-type]

    def _get_supported_parameters(self) -> set[str] | None:
        operation = ATHENA_ACTIONS.get(self.resource.api_action)
        is_sync = self.resource.condition is not None
        if operation is None or (is_sync and operation != "StartQueryExecution"):
            return None
        shape = load_service("athena").operation_model(operation).input_shape
        return set(shape.members) if isinstance(shape, StructureShape) else set()

    def _eval_service_task(
        self,
        env: Environment,
        resource_runtime_part: ResourceRuntimePart,
        normalised_parameters: dict[str, Any],
        state_credentials: StateCredentials,
    ) -> None:
        athena = boto_client_for("athena", resource_runtime_part.region, state_credentials)
        response = getattr(athena, self._get_boto_service_action())(**normalised_parameters)
        response.pop("ResponseMetadata", None)
        env.stack.append(response)

    def _build_sync_resolver(
        self,
        env: Environment,
        resource_runtime_part: ResourceRuntimePart,
        normalised_parameters: dict[str, Any],  # noqa: ARG002
        state_credentials: StateCredentials,
    ) -> Callable[[], Any | None]:
        athena: Any = boto_client_for("athena", resource_runtime_part.region, state_credentials)
        query_id = env.stack.pop()["QueryExecutionId"]

        def resolve() -> Any | None:
            query = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            output = {"QueryExecution": _with_epoch_milliseconds(query)}
            match query["Status"]["State"]:
                case "SUCCEEDED":
                    return output
                case "FAILED" | "CANCELLED":
                    raise FailureEventException(_task_failed(self, env, output))
            return None

        return _Job(resolve, lambda: athena.stop_query_execution(QueryExecutionId=query_id))

    def _eval_sync(self, env: Environment, sync_resolver: _Job, **arguments: Any) -> Any:  # type: ignore[override]
        outcome = super()._eval_sync(env=env, sync_resolver=sync_resolver, **arguments)
        return sync_resolver.outcome_or_cancelled(outcome)

    def _from_error(self, env: Environment, ex: Exception) -> FailureEvent:
        return _failed_call(self, env, ex, "Athena") or super()._from_error(env=env, ex=ex)


class GlueTask(StateTaskServiceGlue):
    """LocalStack's task, which also ends the job run when the task ends first."""

    def _sync_to_start_job_run(
        self,
        env: Environment,
        resource_runtime_part: ResourceRuntimePart,
        normalised_parameters: dict[str, Any],
        state_credentials: StateCredentials,
    ) -> Callable[[], Any | None]:
        run = env.stack[-1]
        job_name, run_id = run["JobName"], run["JobRunId"]
        glue: Any = boto_client_for("glue", resource_runtime_part.region, state_credentials)
        resolve = super()._sync_to_start_job_run(
            env, resource_runtime_part, normalised_parameters, state_credentials
        )

        def resolve_once_it_ended() -> Any | None:
            # Asked of the plane while the run goes on; the answer that counts is GetJobRun's, by the role.
            plane = planes.glue().of(resource_runtime_part.account, resource_runtime_part.region)
            return resolve() if plane.has_ended(job_name, run_id) else None

        return _Job(
            resolve_once_it_ended, lambda: glue.batch_stop_job_run(JobName=job_name, JobRunIds=[run_id])
        )

    def _eval_sync(self, env: Environment, sync_resolver: _Job, **arguments: Any) -> Any:  # type: ignore[override]
        outcome = super()._eval_sync(env=env, sync_resolver=sync_resolver, **arguments)
        return sync_resolver.outcome_or_cancelled(outcome)


class StatesTask(StateTaskServiceSfn):
    """LocalStack's task, which also stops the execution that it started when the task ends first."""

    def _build_sync_resolver(self, env: Environment, *args: Any, **named: Any) -> Callable[[], Any | None]:
        return self._stopping(env, super()._build_sync_resolver, *args, **named)

    def _build_sync2_resolver(self, env: Environment, *args: Any, **named: Any) -> Callable[[], Any | None]:
        return self._stopping(env, super()._build_sync2_resolver, *args, **named)

    def _stopping(
        self,
        env: Environment,
        build: Callable[..., Callable[[], Any | None]],
        resource_runtime_part: ResourceRuntimePart,
        normalised_parameters: dict[str, Any],
        state_credentials: StateCredentials,
    ) -> _Job:
        execution = env.stack[-1]["ExecutionArn"]
        states: Any = boto_client_for("stepfunctions", resource_runtime_part.region, state_credentials)
        resolve = build(env, resource_runtime_part, normalised_parameters, state_credentials)
        return _Job(resolve, lambda: states.stop_execution(executionArn=execution))

    def _eval_sync(self, env: Environment, sync_resolver: _Job, **arguments: Any) -> Any:  # type: ignore[override]
        outcome = super()._eval_sync(env=env, sync_resolver=sync_resolver, **arguments)
        return sync_resolver.outcome_or_cancelled(outcome)


class CodeBuildTask(StateTaskServiceCallback):
    """A task of ``arn:aws:states:::codebuild:…``, with ``.sync`` for ``startBuild``.

    Parameters and results have capital first letters there, as in "Call AWS CodeBuild builds".
    """

    def __init__(self) -> None:
        super().__init__({ResourceCondition.Sync})  # type: ignore[arg-type]

    def _get_supported_parameters(self) -> set[str] | None:
        operation = CODEBUILD_ACTIONS.get(self.resource.api_action)
        is_sync = self.resource.condition is not None
        if operation is None or (is_sync and operation != "StartBuild"):
            return None
        shape = load_service("codebuild").operation_model(operation).input_shape
        members = set(shape.members) if isinstance(shape, StructureShape) else set()
        return {_capitalised(name) for name in members}

    def _eval_service_task(
        self,
        env: Environment,
        resource_runtime_part: ResourceRuntimePart,
        normalised_parameters: dict[str, Any],
        state_credentials: StateCredentials,
    ) -> None:
        codebuild = boto_client_for("codebuild", resource_runtime_part.region, state_credentials)
        parameters = _renamed(normalised_parameters, lambda name: name[0].lower() + name[1:])
        response = getattr(codebuild, self._get_boto_service_action())(**parameters)
        response.pop("ResponseMetadata", None)
        env.stack.append(_renamed(response, _capitalised))

    def _build_sync_resolver(
        self,
        env: Environment,
        resource_runtime_part: ResourceRuntimePart,
        normalised_parameters: dict[str, Any],  # noqa: ARG002
        state_credentials: StateCredentials,
    ) -> Callable[[], Any | None]:
        codebuild: Any = boto_client_for("codebuild", resource_runtime_part.region, state_credentials)
        build_id = env.stack.pop()["Build"]["Id"]

        def resolve() -> Any | None:
            [build] = codebuild.batch_get_builds(ids=[build_id])["builds"]
            if not build["buildComplete"]:
                return None
            output = {"Build": _with_epoch_milliseconds(_renamed(build, _capitalised))}
            if build["buildStatus"] != "SUCCEEDED":
                raise FailureEventException(_task_failed(self, env, output))
            return output

        return _Job(resolve, lambda: codebuild.stop_build(id=build_id))

    def _eval_sync(self, env: Environment, sync_resolver: _Job, **arguments: Any) -> Any:  # type: ignore[override]
        outcome = super()._eval_sync(env=env, sync_resolver=sync_resolver, **arguments)
        return sync_resolver.outcome_or_cancelled(outcome)

    def _from_error(self, env: Environment, ex: Exception) -> FailureEvent:
        return _failed_call(self, env, ex, "CodeBuild") or super()._from_error(env=env, ex=ex)


def install_tasks() -> None:
    """Let LocalStack's state machines use the tasks above."""

    def state_task_service_for(
        others: Callable[[str], StateTaskService], service_name: str
    ) -> StateTaskService:
        match service_name:
            case "athena":
                return AthenaTask()
            case "codebuild":
                return CodeBuildTask()
            case "glue":
                return GlueTask()  # type: ignore[no-untyped-call]
            case "http":
                return HttpTask()
            case "states":
                return StatesTask()  # type: ignore[no-untyped-call]
        return others(service_name)

    patches.wrap(state_task_factory, "state_task_service_for", state_task_service_for)
    _install_lost_calls()
    patches.wrap(StateTaskActivity, "_from_error", _missed_heartbeat)
    _install_lasting_ends()


def _install_lasting_ends() -> None:
    """An execution that was stopped or timed out stays that, whatever its tasks raise while they end.

    LocalStack lets the last word to them: such an execution would be FAILED.
    """

    def set_error(fail: Any, self: Any, error: Any) -> None:
        # A state that timed out has its own frame, and fails.
        lasting = ProgramStopped if self.is_frame() else (ProgramStopped, ProgramTimedOut)
        if not isinstance(self.program_state(), lasting):
            fail(self, error=error)

    patches.wrap(Environment, "set_error", set_error)


def _missed_heartbeat(explain: Any, self: Any, env: Environment, ex: Exception) -> FailureEvent:
    """A task whose heartbeat is missed fails as ``States.HeartbeatTimeout``, by the ASL specification."""
    event: Any = explain(self, env=env, ex=ex)
    if isinstance(ex, HeartbeatTimeoutError):
        event.error_name = CustomErrorName(HEARTBEAT_TIMEOUT)
        for details in event.event_details.values():
            details["error"] = HEARTBEAT_TIMEOUT
    failed: FailureEvent = event
    return failed


def _install_lost_calls() -> None:
    """A call without an answer fails its task as ``SERVICE.SdkClientException``.

    Source: the retriers that the developer guide recommends, for example in "Handle transient Lambda service
    exceptions". LocalStack says ``States.Runtime``, which no state machine could catch on AWS.
    """

    def from_error(explain: Any, self: Any, env: Environment, ex: Exception) -> FailureEvent:
        is_lost = isinstance(ex, HTTPClientError | NoConnectionError)
        if not is_lost or not isinstance(self, StateTaskServiceCallback):
            return _missed_heartbeat(explain, self, env, ex)
        service = SERVICES.get(self.resource.service_name, self.resource.service_name)
        if isinstance(self, StateTaskServiceAwsSdk):
            service = self._normalise_service_error_name(self.resource.api_name)
        return _failure(self, env, CustomErrorName(f"{service}.SdkClientException"), str(ex))

    patches.wrap(StateTask, "_from_error", from_error)


def _task_failed(task: StateTaskServiceCallback, env: Environment, output: dict[str, Any]) -> FailureEvent:
    """The task has ended with its job, and without success."""
    name = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
    return _failure(task, env, name, to_json_str(output))


def _failed_call(
    task: StateTaskServiceCallback, env: Environment, error: Exception, service: str
) -> FailureEvent | None:
    """A call that the service has refused, under the name that a state machine catches it by."""
    if not isinstance(error, ClientError):
        return None
    name = f"{service}.{error.response['Error']['Code']}"
    return _failure(task, env, CustomErrorName(name), error.response["Error"]["Message"])


def _failure(task: StateTaskServiceCallback, env: Environment, name: ErrorName, cause: str) -> FailureEvent:
    details = TaskFailedEventDetails(
        resource=task._get_sfn_resource(),
        resourceType=task._get_sfn_resource_type(),
        error=name.error_name,
        cause=cause,
    )
    return FailureEvent(
        env=env,
        error_name=name,
        event_type=HistoryEventType.TaskFailed,
        event_details=EventDetails(taskFailedEventDetails=details),
    )


def _capitalised(name: str) -> str:
    return name[0].upper() + name[1:]


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    """A request or response with other names for its members."""
    if isinstance(value, dict):
        return {rename(key): _renamed(item, rename) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, rename) for item in value]
    return value


def _with_epoch_milliseconds(value: Any) -> Any:
    """A response with its times as Step Functions shows them."""
    if isinstance(value, dict):
        return {key: _with_epoch_milliseconds(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_epoch_milliseconds(item) for item in value]
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return value
