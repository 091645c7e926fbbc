"""How far an execution has come, so that it can go on from where it failed, and its limits.

Sources: "Restarting state machine executions with redrive" in the developer guide: an execution goes on with
the state that did not succeed and its original input; of a ``Parallel`` state or a Map only the branches and
iterations that did not succeed run again. "Step Functions service quotas": 25,000 events in the history of an
execution of a standard workflow, and 262,144 bytes of input or output.
"""

from __future__ import annotations

import copy
import datetime
import json
from dataclasses import dataclass, field
from typing import Any

from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import (
    FailureEventException,
)
from localstack.services.stepfunctions.asl.component.program.program import Program
from localstack.services.stepfunctions.asl.component.state import state
from localstack.services.stepfunctions.asl.component.state.state import CommonStateField
from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.iteration.inline_iteration_component import (  # noqa: E501
    InlineIterationComponent,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.iteration.iteration_worker import (  # noqa: E501
    IterationWorker,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_parallel.branch_worker import (  # noqa: E501
    BranchWorker,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_parallel.branches_decl import (  # noqa: E501
    BranchesDecl,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (
    state_task_service,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment
from localstack.services.stepfunctions.asl.eval.program_state import (
    ProgramEnded,
    ProgramRunning,
    ProgramStopped,
)
from localstack.services.stepfunctions.backend.execution_worker import ExecutionWorker

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.stepfunctions.errors import RUNTIME, failure
from millpond.localstack_ext.stepfunctions.language import tell_evaluation_failure

MOST_EVENTS = 25_000
MOST_BYTES = 262_144


@dataclass(frozen=True)
class _Entered:
    state: str
    given: Any
    variables: dict[str, Any]


@dataclass(frozen=True)
class _Done:
    output: Any


@dataclass
class Progress:
    """The state that a program has entered last, or its output; and the same of what runs in that state.

    Parameters
    ----------
    entry : optional
        The state, or the output.
    inner : mapping of int to Progress
        Of the state's branches or iterations, by their numbers.
    map_run : optional
        What the state has run, if it is a distributed Map.
    is_resumed : bool
        Whether the state goes on where its inner programs were left.
    """

    entry: _Entered | _Done | None = None
    inner: dict[int, Progress] = field(default_factory=dict)
    map_run: Any = None
    is_resumed: bool = False

    def enter(self, state: str, value: Any, variables: dict[str, Any]) -> None:
        """Note that a state is entered."""
        self.entry = _Entered(state, value, variables)
        if not self.is_resumed:
            self.forget()

    def begin(self) -> None:
        """A ``Parallel`` state or a Map begins, anew unless it is resumed: after a retry, too."""
        if not self.is_resumed:
            self.forget()
        self.is_resumed = False

    def forget(self) -> None:
        """Nothing that runs in the state has begun."""
        self.inner, self.map_run = {}, None

    def resume(self) -> None:
        """Let the states that were left go on where they were."""
        self.is_resumed = True
        for progress in self.inner.values():
            progress.resume()


def progress_of(env: Environment) -> Progress:
    """The progress of an environment's program."""
    progress: Progress = vars(env).setdefault("progress", Progress())
    return progress


def install_progress() -> None:
    """Let LocalStack's executions note their progress, and keep the limits."""
    _install_frames()
    _install_programs()
    _install_states()
    _install_branches_and_iterations()
    _install_workers()

    def is_small(_theirs: Any, value: Any) -> bool:
        return is_within_limit(value)

    patches.wrap(state, "is_within_size_quota", is_small)
    patches.wrap(state_task_service, "is_within_size_quota", is_small)


def is_within_limit(value: Any) -> bool:
    """Whether data may be a state's input or output."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
    return len(text.encode()) <= MOST_BYTES


def _install_frames() -> None:
    def open_frame(theirs: Any, self: Environment, *args: Any, **named: Any) -> Any:
        frame = theirs(self, *args, **named)
        vars(frame)["progress"] = progress_of(self)
        return frame

    patches.wrap(Environment, "open_frame", open_frame)
    patches.wrap(Environment, "open_inner_frame", open_frame)


def _install_programs() -> None:
    def start(theirs: Any, self: Any, env: Environment) -> None:
        if isinstance(env.program_state(), ProgramStopped):
            # The execution was stopped before its first state: only its end has to be written.
            self._eval_body(env)
            return
        theirs(self, env)

    def resume(theirs: Any, self: Any, env: Environment) -> None:
        progress = progress_of(env)
        match progress.entry if env.is_running() else None:
            case _Done(output):
                env.states.reset(output)
                env.set_ended()
            case _Entered(state, value, variables):
                env.next_state_name = state
                env.states.reset(value)
                env.variable_store._inner_scope.update(copy.deepcopy(variables))
        theirs(self, env)
        if isinstance(env.program_state(), ProgramEnded):
            progress.forget()
            progress.entry = _Done(env.states.get_input())

    patches.wrap(Program, "eval", start)
    patches.wrap(Program, "_eval_body", resume)


def _install_states() -> None:
    def evaluate(theirs: Any, self: Any, env: Environment) -> None:
        if env.is_standard_workflow() and len(env.event_manager._history_event_list) >= MOST_EVENTS - 1:
            cause = f"The execution reached the maximum number of history events ({MOST_EVENTS})."
            raise failure(env, RUNTIME, cause)
        variables = copy.deepcopy(env.variable_store._inner_scope)
        progress_of(env).enter(self.name, env.states.get_input(), variables)
        try:
            theirs(self, env)
        except FailureEventException as error:
            tell_evaluation_failure(self, env, error)
            raise

    patches.wrap(CommonStateField, "_eval_body", evaluate)


def _install_branches_and_iterations() -> None:
    def make(theirs: Any, self: Any, branch_worker_comm: Any, program: Any, env: Environment) -> None:
        vars(env)["progress"] = progress_of(env).inner.setdefault(program.number, Progress())
        theirs(self, branch_worker_comm=branch_worker_comm, program=program, env=env)

    def run(theirs: Any, self: Any, env: Environment, job: Any) -> None:
        vars(env)["progress"] = progress_of(env).inner.setdefault(job.job_index, Progress())
        theirs(self, env, job)

    def begin(theirs: Any, self: Any, env: Environment) -> None:
        progress_of(env).begin()
        try:
            theirs(self, env)
        except Exception:
            # The other iterations end with the one that failed; LocalStack lets them run on.
            for frame in list(env._frames):
                frame.set_stop(datetime.datetime.now(tz=datetime.UTC), None, None)
            raise

    patches.wrap(BranchWorker, "__init__", make)
    patches.wrap(IterationWorker, "_eval_job", run)
    patches.wrap(BranchesDecl, "_eval_body", begin)
    patches.wrap(InlineIterationComponent, "_eval_body", begin)


def _install_workers() -> None:
    """An execution has its environment before it runs, so that it can be asked and stopped at once."""

    def environment(theirs: Any, self: Any) -> Environment:
        if self.env is None:
            self.env = theirs(self)
            self.env._program_state = ProgramRunning()  # type: ignore[no-untyped-call]
        made: Environment = self.env
        return made

    def begin(theirs: Any, self: Any) -> None:
        self._get_evaluation_environment()
        theirs(self)

    patches.wrap(ExecutionWorker, "_get_evaluation_environment", environment)
    patches.wrap(ExecutionWorker, "start", begin)
