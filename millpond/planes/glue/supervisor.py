"""One run from its start to its end: what is prepared, started, watched and put away."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from millpond.base import process
from millpond.planes.common import isolation
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.credentials import Clients, Credentials, RoleNotTrustingError
from millpond.planes.common.isolation import Fence
from millpond.planes.common.logs import LogShipper, source_files
from millpond.planes.glue import arguments, failure, logs, modules, packages, places, spark, staging, versions
from millpond.planes.glue.arguments import Parameters
from millpond.planes.glue.bookmarks import JobBookmarks
from millpond.planes.glue.containers import ContainerWorkers
from millpond.planes.glue.environments import Environment, Stopped
from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.glue.launch import Launch
from millpond.planes.glue.metastore import Metastore
from millpond.planes.glue.runs import JobRun, State
from millpond.planes.glue.staging import RunFolder, Staged, runs_directory
from millpond.planes.glue.workers import Workers

_LOG = logging.getLogger(__name__)
SESSION = "GlueJobRunnerSession"
"""What the names of runs' sessions begin with; letters of the run's id follow."""
_SHIP_SECONDS = 0.5
_SHELL_VERSION = "3.9"


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: State
    error_message: str | None = None
    bookmark: Mapping[str, Any] | None = None
    measures: Mapping[str, float] | None = None
    quality: Sequence[Mapping[str, Any]] = ()


@dataclass
class ActiveRun:
    """A run that has not ended.

    Parameters
    ----------
    run : JobRun
        The run.
    bookmarks : JobBookmarks
        Those of all jobs.
    stop : Event
        Set when somebody wants it to stop.
    thread : Thread
        What watches it.
    delay : Timer, optional
        Tells of the run once it goes on for longer than its job's ``NotifyDelayAfter``.
    is_late : bool
        Whether it has.
    script : Path, optional
        Its script, where that is not one in S3: the driver of an interactive session.
    folders : tuple of Path
        What its process may use besides the folder of the run.
    """

    run: JobRun
    bookmarks: JobBookmarks
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    delay: threading.Timer | None = None
    is_late: bool = False
    script: Path | None = None
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Script:
    """A command that is ready to be started."""

    command: Sequence[str]
    environment: Mapping[str, str]


class RunningScript(Protocol):
    """A script that was started, as a process or in a container."""

    def wait(self, timeout: float) -> bool:
        """Whether it ended within that many seconds."""

    def end(self) -> int:
        """Kill what is left of it; its exit code, which is negative or above 128 for a signal."""


class ScriptProcess:
    """The interpreter of a run, leader of a process group of its own.

    Parameters
    ----------
    script : Script
        What to start.
    folder : RunFolder
        Where it runs and writes.
    pid_file : Path
        Where it is recorded.
    fence : Fence
        What it sees of the machine.
    """

    def __init__(self, script: Script, folder: RunFolder, pid_file: Path, fence: Fence) -> None:
        with folder.stdout.open("ab") as out, folder.stderr.open("ab") as err:
            self._child = fence.start(
                lambda: subprocess.Popen(
                    script.command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=folder.work,
                    env={**script.environment, **process.marked(folder.path)},
                    start_new_session=True,
                )
            )
        self._folder = folder.path
        self._pidfd = os.pidfd_open(self._child.pid)
        self._owned = process.record(self._child.pid, pid_file)

    def wait(self, timeout: float) -> bool:
        """Whether it ended within that many seconds; it is not reaped, so its group id stays ours."""
        readable, _, _ = select.select([self._pidfd], [], [], max(0.0, timeout))
        return bool(readable)

    def end(self) -> int:
        """Kill the group, and daemons that left it; the leader's exit code, negative for a signal."""
        if not self.wait(0):
            self._owned.stop(timeout=5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        code = self._child.wait()
        process.end_marked(self._folder)
        os.close(self._pidfd)
        self._owned.pid_file.unlink(missing_ok=True)
        return code


class Supervisor:
    """Executes runs.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    clients : Clients
        AWS clients.
    workers : Workers
        Where Spark runs get a JVM from, and containers where scripts are executed in them.
    on_running : callable
        Told when a run's process has started.
    connections : callable
        The connections that there are, by name.
    """

    def __init__(
        self,
        context: PlaneContext,
        clients: Clients,
        workers: Workers,
        on_running: Callable[[JobRun], None],
        connections: Callable[[], Mapping[str, Mapping[str, Any]]],
    ) -> None:
        self._context = context
        self._clients = clients
        self._workers = workers
        self._on_running = on_running
        self._connections = connections
        self._runs_dir = runs_directory(context)

    def execute(self, active: ActiveRun) -> Outcome:
        """Do a run; whatever happens, it has an outcome and nothing of it is left running."""
        folder = RunFolder(self._runs_dir / active.run.id)
        try:
            folder.create()
            outcome = self._execute(active, folder)
            return replace(
                outcome, bookmark=_committed(folder), measures=_measured(folder), quality=_published(folder)
            )
        except LaunchError as error:
            return Outcome(State.FAILED, str(error))
        except Stopped:
            return Outcome(State.STOPPED)
        except Exception as error:  # noqa: BLE001 - the thread ends here; the run says why
            _LOG.exception("job run %s could not be executed", active.run.id)
            return Outcome(State.FAILED, f"Internal service error: {error}")
        finally:
            folder.remove(is_kept=self._workers.settings.keep_run_folders)

    def _assume(self, run: JobRun) -> Credentials:
        role = run.job["Role"]
        context = self._context
        arn = (
            role
            if role.startswith("arn:")
            else f"arn:{context.partition}:iam::{context.account_id}:role/{role}"
        )
        try:
            return self._clients.assume(
                arn, f"{SESSION}-{run.id[3:19]}", context.arn("glue", f"job/{run.job['Name']}")
            )
        except RoleNotTrustingError as error:
            raise LaunchError(
                f"Role {arn} should be given assume role permissions for Glue Service."
            ) from error

    def _check_references(self, run: JobRun) -> None:
        """Refuse to run with what is not there: ``CreateJob`` asks for neither, the run does.

        Raises
        ------
        LaunchError
            Naming the connection or the security configuration.
        """
        known = self._connections()
        for name in _connections_of(run):
            if name not in known:
                raise LaunchError(
                    "Unable to resolve any valid connection (Service: AWSGlueJobExecutor; Status Code: 400; "
                    f"Error Code: InvalidInputException): Connection {name} not found."
                )
        if security := run.settings.get("SecurityConfiguration"):
            glue = self._clients.own("glue")
            try:
                glue.get_security_configuration(Name=security)
            except glue.exceptions.EntityNotFoundException as error:
                raise LaunchError(
                    f"Security configuration {security} not found (Service: AWSGlue; Status Code: 400; "
                    "Error Code: EntityNotFoundException)"
                ) from error

    def _stand_in_the_vpc(self, run: JobRun, credentials: Credentials) -> None:
        """Do what Glue does with a run's role before it starts: look its connections up, place interfaces.

        Raises
        ------
        LaunchError
            Where the role may not, or the network lacks what Glue asks for.
        """
        mode, known, ec2 = self._workers.iam_mode(), self._connections(), None
        for name in _connections_of(run) if mode != "off" else ():
            places.look_up(self._clients.of("glue", credentials), name)
            if places.has_place(known[name]):
                ec2 = ec2 or self._clients.of("ec2", credentials)
                region, is_in_force = self._context.region, mode == "enforce"
                places.stand(ec2, region, known[name], is_in_force=is_in_force)
                own = self._clients.own("ec2")
                if is_in_force and (reason := places.without_database(own, region, known[name])):
                    raise LaunchError(reason)

    def _execute(self, active: ActiveRun, folder: RunFolder) -> Outcome:
        run = active.run
        parameters = arguments.parse(run.all_arguments)
        targets = logs.destinations(run.id, parameters, is_spark=run.is_spark)
        shipper = LogShipper(
            self._clients.own("logs"),
            source_files({folder.stdout: targets.output, folder.stderr: targets.error}),
        )
        shipper.open()
        if line := arguments.without_effect(run.all_arguments):
            with folder.stderr.open("a") as log:
                log.write(f"{line}\n")
        try:
            self._check_references(run)
            credentials = self._assume(run)
            self._stand_in_the_vpc(run, credentials)
            s3 = self._clients.of("s3", credentials)
            folder.bookmark.write_text(json.dumps(active.bookmarks.given_to(run)))
            with self._with_catalog(
                Launch(self._context, run, folder, parameters, credentials, s3, script=active.script)
            ) as launch:
                if self._workers.containers is not None:
                    if launch.script is not None:
                        raise LaunchError(
                            "LAUNCH ERROR | interactive sessions, and runs of the service itself (data "
                            "quality, statistics) are not available in Millpond's containers."
                        )
                    start = self._in_container(self._workers.containers, launch)
                    return self._watch(active, start, folder, shipper)
                if run.is_spark:
                    return self._execute_spark(active, launch, shipper)
                script = self._shell_script(active, launch, shipper)
                return self._watch(active, self._starter(active, script, folder), folder, shipper)
        except LaunchError as error:
            with folder.stderr.open("a") as log:
                log.write(f"{error}\n")
            shipper.ship(is_last=True)
            raise

    @contextlib.contextmanager
    def _with_catalog(self, launch: Launch) -> Iterator[Launch]:
        """The launch with a metastore, as long as the run lasts, where Spark is to have the Data Catalog."""
        if not (launch.run.is_spark and launch.parameters.enables_catalog):
            yield launch
            return
        if self._workers.containers is not None:
            # The metastore listens beside the engine, where a worker's container does not reach it.
            raise LaunchError(
                "LAUNCH ERROR | --enable-glue-datacatalog is not available in Millpond's containers."
            )
        glue = self._clients.of("glue", launch.credentials)
        metastore = Metastore(glue, launch.s3, self._context.endpoint_url)
        try:
            yield replace(launch, metastore=metastore.start())
        finally:
            metastore.stop()

    def _execute_spark(self, active: ActiveRun, launch: Launch, shipper: LogShipper) -> Outcome:
        run, folder = launch.run, launch.folder
        staged = _fetch(launch)
        environment_of_version = self._environment(active, launch, staged, shipper)
        size = self._workers.local_size(run.settings)
        # Taken before the modules are brought: if it has to be started, it starts meanwhile.
        own, libraries = staged.sources()
        asked, warnings = packages.asked_for([*own, *libraries], launch.parameters.spark_conf)
        with folder.stderr.open("a") as log:
            log.writelines(f"{line}\n" for line in warnings)
        parameters = replace(
            launch.parameters,
            spark_conf=packages.conf(asked, launch.parameters.spark_conf, self._workers.settings),
        )
        master = spark.cluster(parameters, run.settings, self._workers.settings.master, size)
        jars = launch.bring_jars()
        spec = spark.jvm_spec(size, parameters, jars, environment_of_version, has_executors=bool(master))
        jvms = self._workers.jvms
        jvm = jvms.take(spec)
        outcome: Outcome | None = None
        try:
            python = environment_of_version.python
            command, environment = self._stage(launch, staged, python, environment_of_version.modules)
            environment["PYTHONPATH"] = os.pathsep.join(
                [environment["PYTHONPATH"], *map(str, environment_of_version.libraries)]
            )
            launch.make_event_log_directory()
            launch.write_spark_conf(
                size,
                has_sdk_2=environment_of_version.version.has_sdk_2,
                master=master,
                jars=[*environment_of_version.jars, *jars],
                properties=versions.properties_of(run.job["GlueVersion"], self._workers.settings.versions),
            )
            if not jvm.wait():
                reason = process.last_lines(jvm.stderr, 5)
                raise LaunchError(f"LAUNCH ERROR | Spark's JVM did not start: {reason}")
            environment |= spark.environment(self._context, folder, jvm.gateway(), python)
            output, error = (targets for _, targets in shipper.routes)
            shipper.routes += source_files({jvm.stdout: output, jvm.stderr: error})
            script = Script([*command, *launch.script_arguments()], environment)
            # PySpark hands data over in files of the JVM's own directory.
            start = self._starter(active, script, folder, jvm.folder)
            outcome = self._watch(active, start, folder, shipper)
            return outcome
        finally:
            self._workers.jvms.release(
                jvm, was_useful=outcome is not None and outcome.state is State.SUCCEEDED
            )
            if spec.is_plain:
                jvms.prepare(spec)

    def _environment(
        self, active: ActiveRun, launch: Launch, staged: Staged, shipper: LogShipper
    ) -> Environment:
        """What a Spark run is executed in; what is made for it, or differs from AWS, is said in its log."""
        run, parameters = launch.run, launch.parameters
        version, warning = versions.resolve(run.job["GlueVersion"], self._workers.settings.versions)
        spark.check_supported(version, parameters)
        script, libraries = staged.sources()
        known = self._connections()
        connections = [known[name] for name in _connections_of(run) if name in known]
        uses = versions.uses_of([*script, *run.all_arguments.values()], libraries, connections)
        differences = [version.differences.get(one, "") for one in (*parameters.formats, *uses)]
        with launch.folder.stderr.open("a") as log:
            log.writelines(f"{line}\n" for line in (warning, *differences) if line)

        return self._workers.environments.of(
            version,
            version.sets(parameters.formats, uses),
            parameters.formats,
            modules=f"glue-{version.name}-modules" if versions.wants_modules([*script, *libraries]) else "",
            log=launch.folder.stderr,
            wait=partial(_wait, active, shipper),
        )

    def _in_container(self, containers: ContainerWorkers, launch: Launch) -> Callable[[], RunningScript]:
        jars: list[Path] = []
        if launch.run.is_spark:
            spark.check_in_container(launch.run.job, launch.parameters)
            jars = launch.bring_jars()
        return containers.prepare(launch, _fetch(launch), jars)

    def _starter(
        self, active: ActiveRun, script: Script, folder: RunFolder, *shared: Path
    ) -> Callable[[], RunningScript]:
        fence = isolation.fence(
            self._context,
            readable=(
                *isolation.installation(Path(script.command[0])),
                *isolation.search_path(script.environment["PYTHONPATH"]),
            ),
            writable=(folder.path, *active.folders, *shared),
        )
        pid_file = self._context.pid_dir / "glue" / f"{active.run.id}.pid"
        return lambda: ScriptProcess(script, folder, pid_file, fence)

    def _watch(
        self,
        active: ActiveRun,
        start: Callable[[], RunningScript],
        folder: RunFolder,
        shipper: LogShipper,
    ) -> Outcome:
        run = active.run
        if active.stop.is_set():
            return Outcome(State.STOPPED)
        child = start()
        deadline = (
            time.monotonic() + run.settings["Timeout"] * self._workers.settings.seconds_per_timeout_minute
        )
        interrupted: Outcome | None = None
        try:
            self._on_running(run)
            while not child.wait(min(_SHIP_SECONDS, deadline - time.monotonic())):
                shipper.ship()
                if active.stop.is_set():
                    interrupted = Outcome(State.STOPPED)
                    break
                if time.monotonic() >= deadline:
                    interrupted = Outcome(
                        State.TIMEOUT, f"Job run timed out after {run.settings['Timeout']} minutes"
                    )
                    break
        finally:
            code = child.end()
        shipper.ship(is_last=True)
        if interrupted is not None:
            return interrupted
        if code == 0:
            return Outcome(State.SUCCEEDED)
        return Outcome(State.FAILED, failure.error_message(code, folder.failure, is_spark=run.is_spark))

    def _shell_script(self, active: ActiveRun, launch: Launch, shipper: LogShipper) -> Script:
        python = self._context.tools.shell_python
        _warn_of_version(python, launch.run.job["Command"]["PythonVersion"], launch.folder)
        provided = None
        if launch.parameters.library_set == "analytics":
            _require_shell_version(python)
            provided = self._workers.environments.modules_for(
                python,
                "glue-shell-analytics",
                log=launch.folder.stderr,
                wait=partial(_wait, active, shipper),
            )
        command, environment = self._stage(launch, _fetch(launch), python, provided)
        return Script([*command, *launch.script_arguments()], environment)

    def _stage(
        self, launch: Launch, staged: Staged, python: Path, provided: Path | None = None
    ) -> tuple[list[str], dict[str, str]]:
        tools = self._context.tools
        path = [
            *staged.path,
            *self._modules(python, staged, launch.parameters, provided),
            str(tools.glue_runtime),
            *([str(provided)] if provided else []),
        ]
        environment = launch.environment() | {
            "PATH": f"{python.parent}:{tools.java_home}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(path),
        }
        return [str(python), str(staged.script)], environment

    def _modules(
        self, python: Path, staged: Staged, parameters: Parameters, provided: Path | None
    ) -> list[str]:
        version, search_path = modules.interpreter_facts(python)
        search_path = (*([str(provided)] if provided else []), *search_path)
        is_stand_in = python == self._context.tools.shell_python and version != _SHELL_VERSION
        staged.unpack(modules.missing(staged.wheels, search_path, is_stand_in=is_stand_in))
        needed = modules.missing(staged.modules, search_path)
        if not needed:
            return []
        home = self._context.tools.jars_dir.parent
        installed = modules.install(
            staged.bring_modules(needed),
            python=python,
            options=parameters.installer_options,
            cache_dir=home / "glue-modules",
            home=home,
        )
        return [str(installed)]


def _connections_of(run: JobRun) -> Sequence[str]:
    names: Sequence[str] = (run.job.get("Connections") or {}).get("Connections", [])
    return names


def _fetch(launch: Launch) -> Staged:
    """Bring the script of a run, and what its arguments name, from S3."""
    run, folder, parameters = launch.run, launch.folder, launch.parameters
    bring = partial(staging.download, launch.s3)
    location = parameters.script_location or run.job["Command"]["ScriptLocation"]
    script = launch.script or bring(location, directory=folder.work)
    for address in parameters.extra_files:
        bring(address, directory=folder.work)
    bring_library = partial(bring, directory=folder.libraries)
    wheels = arguments.wheels_to_install(parameters, is_spark=run.is_spark)
    runtime = launch.context.tools.glue_runtime
    libraries = [
        bring_library(address)
        for address in parameters.extra_py_files
        if address not in wheels and not staging.is_provided(address, runtime)
    ]
    path = [*(str(library) for library in libraries if library.suffix != ".py"), str(folder.libraries)]
    return Staged(script, path, parameters.python_modules, wheels, bring_library)


def _committed(folder: RunFolder) -> Mapping[str, Any] | None:
    """What the script committed of its bookmark, if it did."""
    if not folder.committed_bookmark.exists():
        return None
    states: Mapping[str, Any] = json.loads(folder.committed_bookmark.read_text())["states"]
    return states


def _published(folder: RunFolder) -> Sequence[Mapping[str, Any]]:
    """The results of data quality that the script has published, one a line."""
    if not folder.quality.exists():
        return ()
    return [json.loads(line) for line in folder.quality.read_text().splitlines()]


def _measured(folder: RunFolder) -> Mapping[str, float] | None:
    """What Spark has counted; None of a run without metrics, or whose script has stopped Spark itself."""
    try:
        measures: Mapping[str, float] = json.loads(folder.measures.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return measures


def _wait(active: ActiveRun, shipper: LogShipper, seconds: float) -> None:
    """Wait for what is made for a run, and show what is said of it meanwhile.

    Raises
    ------
    Stopped
        If somebody stops the run.
    """
    shipper.ship()
    if active.stop.wait(seconds):
        raise Stopped


def _require_shell_version(python: Path) -> None:
    version, _ = modules.interpreter_facts(python)
    if version != _SHELL_VERSION:
        raise LaunchError(
            f"LAUNCH ERROR | --library-set analytics needs Python {_SHELL_VERSION}, and such jobs run "
            f"on {version} here: install Python {_SHELL_VERSION}, then run `millpond doctor`."
        )


def _warn_of_version(python: Path, asked: str, folder: RunFolder) -> None:
    """Say in the error log that a Python shell job runs on another Python than on AWS, if it does."""
    version, _ = modules.interpreter_facts(python)
    on_aws = "3.6" if asked in ("3", "3.6") else _SHELL_VERSION
    if version != on_aws:
        with folder.stderr.open("a") as log:
            log.write(
                f"WARNING: AWS Glue runs this Python shell job on Python {on_aws}, "
                f"which it does not have here, so this run is on Python {version}.\n"
            )
