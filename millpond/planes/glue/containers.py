"""Runs in the Glue worker's container, instead of processes beside the engine.

The worker is a container of AWS's Glue image that is kept running. A run is a ``docker exec`` in it, or, by
setting, a container of its own made after its pattern, with the limits of the run's worker type. Both see the
run's folder at the same path, on a volume that the engine has too: the script and its libraries are put
there, and what the script writes is read there.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from requests.exceptions import RequestException

from millpond.base.containers import OF_WORKER, remove_container, remove_labelled
from millpond.planes.common.context import PlaneContext
from millpond.planes.glue import modules, spark
from millpond.planes.glue.arguments import Parameters
from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.glue.jvms import ENGINE_OPTIONS, JvmSpec, jvm_options
from millpond.planes.glue.launch import Launch
from millpond.planes.glue.staging import RunFolder, Staged

# Where docker/glue/Dockerfile puts what it adds.
_INSTALLED = Path("/usr/local/lib/millpond")
_RUN_SCRIPT = "/usr/local/bin/run-script"
# Name of the engine on the worker's networks, in docker-compose.yml.
_ENGINE = "localstack"
_STOP_SECONDS = 5.0
_ASKED_AT_MOST = 10
# Of a Python shell job on AWS: 1/16 DPU has 1 GB, 1 DPU 16 GB. Here no more than a Spark driver's container.
_SHELL_MB_PER_DPU = 16 * 1024
_OVERHEAD_MB = 1024
# Docker's own errors, and those of the connection to it, which its library lets through.
_DOCKER_ERRORS = (DockerException, RequestException)


@dataclass(frozen=True)
class ContainerSettings:
    """Where runs are executed, if not as processes.

    Parameters
    ----------
    worker : str
        Name of the worker's container.
    mode : {"warm", "per-run"}
        In it, or each in a container of its own.
    jvm_options : tuple of str
        What each Spark run's JVM is started with besides.
    """

    worker: str
    mode: Literal["warm", "per-run"] = "warm"
    jvm_options: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ContainerSettings | None:
        """Read ``MILLPOND_GLUE_CONTAINER`` and ``MILLPOND_GLUE_CONTAINER_MODE``; None without the former.

        Raises
        ------
        ValueError
            If the mode is neither of the two.
        """
        env = os.environ if environment is None else environment
        worker = env.get("MILLPOND_GLUE_CONTAINER", "")
        mode = env.get("MILLPOND_GLUE_CONTAINER_MODE", "warm")
        if not worker:
            return None
        match mode:
            case "warm" | "per-run":
                return cls(worker, mode, jvm_options(env))
            case _:
                raise ValueError(f"MILLPOND_GLUE_CONTAINER_MODE is {mode}; it is warm or per-run")


@dataclass(frozen=True)
class Limits:
    """What a container of one run may take."""

    memory_mb: int
    cpus: float


class ContainerWorkers:
    """Executes scripts in containers.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    settings : ContainerSettings
        Which worker, and how.
    """

    def __init__(self, context: PlaneContext, settings: ContainerSettings) -> None:
        self._context = context
        self._settings = settings
        with contextlib.suppress(LaunchError):  # Without a Docker engine the first run says so.
            self.remove_left_over()

    def prepare(self, launch: Launch, staged: Staged, jars: Sequence[Path]) -> Callable[[], ContainerScript]:
        """Make a run ready; what starts it.

        Parameters
        ----------
        launch : Launch
            The run and what is known of it.
        staged : Staged
            The script and its libraries, in the run's folder.
        jars : sequence of Path
            Its ``--extra-jars``.

        Raises
        ------
        LaunchError
            If there is no worker, or the run asks for what it does not have.
        """
        with _as_launch_errors(_of_worker(self._settings.worker)):
            worker = self._worker()
            context = replace(launch.context, endpoint_url=self._endpoint_url(worker))
            launch = replace(launch, context=context)
            run, folder = launch.run, launch.folder
            size = self.local_size(run.settings, worker)
            kind = "spark" if run.is_spark else "shell"
            python = "python3.11" if run.is_spark else "python3.9"
            path = [
                *staged.path,
                *self._modules(worker, python, kind, staged, launch.parameters),
                str(_INSTALLED / "runtime"),
                str(_INSTALLED / kind),
            ]
            # In front of the image's own, see docker/glue/run-script.
            environment = launch.environment() | {"MILLPOND_PYTHONPATH": os.pathsep.join(path)}
            interpreter = [python]
            if run.is_spark:
                launch.write_spark_conf(size)
                environment |= {
                    "MILLPOND_SPARK_CONF_DIR": str(folder.conf),
                    "MILLPOND_GLUE_STDERR": str(folder.stderr),
                    "SPARK_LOCAL_IP": "127.0.0.1",
                }
                spec = spark.jvm_spec(size, launch.parameters, jars)
                interpreter = spark_submit(spec, folder.tmp, self._settings.jvm_options)
            command = [*interpreter, str(staged.script), *launch.script_arguments()]
            full = [_RUN_SCRIPT, str(folder.path), *command]
            if self._settings.mode == "warm":
                return lambda: ExecScript(self._client, worker, full, environment, folder)
            limits = limits_of(run.settings, size, is_spark=run.is_spark)
            return lambda: OwnContainerScript(self._client, worker, full, environment, folder, limits)

    def local_size(self, settings: Mapping[str, object], worker: Container | None = None) -> spark.LocalSize:
        """Cores and heap that worker settings mean in the worker's container.

        Raises
        ------
        LaunchError
            If there is no worker.
        """
        with _as_launch_errors(_of_worker(self._settings.worker)):
            host = (worker or self._worker()).attrs["HostConfig"]
            info = self._machine
        cpus = int(host.get("NanoCpus", 0) // 10**9) or info["NCPU"]
        return spark.local_size(settings, min(cpus, info["NCPU"]), host.get("Memory") or info["MemTotal"])

    def remove_left_over(self) -> None:
        """Remove containers of runs that an engine left behind.

        Raises
        ------
        LaunchError
            If the Docker engine does not answer.
        """
        with _as_launch_errors("A container of a former run"):
            remove_labelled(self._client, [f"{OF_WORKER}={self._settings.worker}"])

    @cached_property
    def _client(self) -> docker.DockerClient:
        """Made when first needed: the catalog is there without a Docker engine."""
        return docker.from_env()

    @cached_property
    def _machine(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.info()
        return found

    def _worker(self) -> Container:
        worker = self._client.containers.get(self._settings.worker)
        _require_running(worker)
        return worker

    def _modules(
        self, worker: Container, python: str, kind: str, staged: Staged, parameters: Parameters
    ) -> list[str]:
        """Installed by the engine, which reaches a package index; the worker reaches none."""
        if not staged.modules and not staged.wheels:
            return []
        found = self._installed(worker, python, kind)
        staged.unpack(modules.unsatisfied(staged.wheels, found))
        needed = modules.unsatisfied(staged.modules, found)
        if not needed:
            return []
        options = "--only-binary=:all: --python-version " + python.removeprefix("python")
        installed = modules.install(
            staged.bring_modules(needed),
            python=self._context.tools.harness_python,
            options=f"{options} {parameters.installer_options}",
            cache_dir=self._context.state_dir / "glue" / "modules",
            home=self._context.tools.jars_dir.parent,
        )
        return [str(installed)]

    def _installed(self, worker: Container, python: str, kind: str) -> Mapping[str, str]:
        program = (
            "import importlib.metadata as m\n"
            "for d in m.distributions(): print(d.metadata['Name'], d.version, sep='==')"
        )
        code, said = ask(worker, [python, "-c", program], environment={"PYTHONPATH": str(_INSTALLED / kind)})
        if code:
            raise LaunchError(f"LAUNCH ERROR | {python} does not run in the worker: {said[-500:]}")
        return modules.named_versions(said.splitlines())

    def _endpoint_url(self, worker: Container) -> str:
        """The engine as the worker reaches it: by number, as SDKs put a bucket before a name."""
        program = f"import socket\nprint(socket.gethostbyname({_ENGINE!r}))"
        code, said = ask(worker, ["python3.11", "-c", program])
        if code:
            raise LaunchError(f"LAUNCH ERROR | The worker does not find the engine {_ENGINE}: {said[-500:]}")
        return f"http://{said}:{urlsplit(self._context.endpoint_url).port}"


def ask(worker: Container, command: Sequence[str], **options: Any) -> tuple[int | None, str]:
    """What a program that prints something when it succeeds prints in a worker, and its exit code.

    On a busy machine Docker may hand on nothing of a program that ends while it is being attached to. It
    is run again then.

    Raises
    ------
    LaunchError
        If nothing comes of it however often.
    """
    for _ in range(_ASKED_AT_MOST):
        code, output = worker.exec_run(list(command), **options)
        said = output.decode(errors="replace").strip()
        if said or code:
            return code, said
    raise LaunchError(f"LAUNCH ERROR | {_of_worker(worker.name)} does not tell what {command[0]} prints.")


def spark_submit(spec: JvmSpec, tmp: Path, options: Sequence[str] = ()) -> list[str]:
    """The command that starts a Spark script; its other properties come with the run's ``spark-defaults``.

    Parameters
    ----------
    spec : JvmSpec
        What the JVM must be started with.
    tmp : Path
        Where the JVM unpacks its native libraries; the container's own directory forbids to execute.
    options : sequence of str, optional
        What every JVM is started with besides.
    """
    all_options = [
        f"-Djava.io.tmpdir={tmp}",
        f"-Dlog4j2.configurationFile={_INSTALLED / 'runtime' / 'log4j2.properties'}",
        *ENGINE_OPTIONS,
        *options,
        *spec.options,
    ]
    command = ["spark-submit", "--driver-memory", spec.heap, "--driver-java-options", shlex.join(all_options)]
    if spec.class_path:
        command += ["--driver-class-path", ":".join(spec.class_path)]
    for key, value in spec.submit_conf:
        command += ["--conf", f"{key}={value}"]
    return command


def limits_of(settings: Mapping[str, Any], size: spark.LocalSize, *, is_spark: bool) -> Limits:
    """What the worker type of a run allows its container.

    Parameters
    ----------
    settings : mapping
        ``MaxCapacity`` of a Python shell job.
    size : LocalSize
        Cores and heap of a Spark job.
    is_spark : bool
        Which of the two it is.
    """
    if is_spark:
        # Beside the heap: the JVM itself, and Spark's Python workers.
        return Limits(size.heap_mb + _OVERHEAD_MB, float(size.cores))
    return Limits(
        min(int(settings.get("MaxCapacity", 0.0625) * _SHELL_MB_PER_DPU), size.heap_mb + _OVERHEAD_MB), 1.0
    )


class ContainerScript(ABC):
    """A script in a container; see :class:`millpond.planes.glue.supervisor.RunningScript`."""

    def __init__(self, folder: RunFolder, container: str) -> None:
        self._folder = folder
        self._where = container
        self._said = b""
        self._has_ended = False

    def _listen(self, stream: Any) -> None:
        """Set the stream that the engine closes when the script has ended."""
        self._stream = stream

    def wait(self, timeout: float) -> bool:
        """Whether it ended within that many seconds."""
        deadline = time.monotonic() + max(0.0, timeout)
        while not self._has_ended:
            readable, _, _ = select.select([self._stream], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                return False
            # Only what fails before the script begins comes here: its own output goes to files.
            received = os.read(self._stream.fileno(), 4096)
            self._said = (self._said + received)[-4096:]
            self._has_ended = not received
        return True

    def end(self) -> int:
        """Kill what is left of it; its exit code.

        Raises
        ------
        LaunchError
            If its container was removed meanwhile, or the Docker engine does not answer any more.
        """
        with _as_launch_errors(self._where), contextlib.closing(self._stream):
            return self._end()

    @abstractmethod
    def _end(self) -> int: ...

    def _explain(self, text: str) -> None:
        with self._folder.stderr.open("a") as log:
            log.write(f"{text}\n")


class ExecScript(ContainerScript):
    """A script in the worker's container, in a process group of its own.

    Parameters
    ----------
    client : DockerClient
        The Docker engine.
    worker : Container
        Where.
    command, environment
        What.
    folder : RunFolder
        Of the run.
    """

    def __init__(
        self,
        client: Any,
        worker: Container,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: RunFolder,
    ) -> None:
        super().__init__(folder, _of_worker(worker.name))
        self._api = client.api
        self._worker = worker
        with _as_launch_errors(self._where):
            self._kills_before = self._memory_kills()
            made = self._api.exec_create(worker.id, list(command), environment=dict(environment))
            self._id = made["Id"]
            self._listen(self._api.exec_start(self._id, socket=True))

    def _end(self) -> int:
        if not self.wait(0):
            self._signal("TERM")
            if not self.wait(_STOP_SECONDS):
                self._signal("KILL")
                self.wait(_STOP_SECONDS)
        self._signal("KILL")
        code = self._exit_code()
        if code:
            self._worker.reload()
            _require_running(self._worker)
        if code == 137 and self._memory_kills() > self._kills_before:
            limit = self._worker.attrs["HostConfig"].get("Memory", 0) >> 20
            self._explain(f"The worker's container used up its {limit} MiB of memory; a process was killed.")
        elif code and self._said and not self._folder.stderr.stat().st_size:
            self._explain(self._said.decode(errors="replace"))
        return code

    def _exit_code(self) -> int:
        deadline = time.monotonic() + _STOP_SECONDS
        while (found := self._api.exec_inspect(self._id))["Running"]:
            if time.monotonic() > deadline:
                return 137
            time.sleep(0.02)
        return 137 if found["ExitCode"] is None else int(found["ExitCode"])

    def _signal(self, name: str) -> None:
        pid_file = self._folder.path / "pid"
        if pid_file.exists() and (pid := pid_file.read_text().strip()):
            with contextlib.suppress(APIError):  # The container may be gone, and the group with it.
                self._worker.exec_run(["/bin/sh", "-c", f"kill -s {name} -- -{pid}"])

    def _memory_kills(self) -> int:
        try:
            _, said = ask(
                self._worker,
                [
                    "/bin/sh",
                    "-c",
                    "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control",
                ],
                stderr=False,
            )
        except APIError:
            return 0
        found = re.search(r"^oom_kill (\d+)", said, re.MULTILINE)
        return int(found.group(1)) if found else 0


class OwnContainerScript(ContainerScript):
    """A script in a container of its own, made after the worker's pattern.

    Parameters
    ----------
    client : DockerClient
        The Docker engine.
    worker : Container
        The pattern: image, networks, volumes and user.
    command, environment
        What.
    folder : RunFolder
        Of the run; its name is part of the container's.
    limits : Limits
        Memory and processors.
    """

    def __init__(
        self,
        client: Any,
        worker: Container,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: RunFolder,
        limits: Limits,
    ) -> None:
        name = f"{worker.name}-{folder.path.name}"
        super().__init__(folder, f"The run's container {name}")
        self._limits = limits
        first, *others = worker.attrs["NetworkSettings"]["Networks"]
        host = worker.attrs["HostConfig"]
        with _as_launch_errors(self._where), contextlib.ExitStack() as undo:
            self._container = client.containers.create(
                worker.attrs["Config"]["Image"],
                list(command),
                name=name,
                entrypoint=[],
                environment=dict(environment),
                user=worker.attrs["Config"]["User"],
                labels={OF_WORKER: worker.name},
                volumes_from=[worker.id],
                network=first,
                mem_limit=f"{limits.memory_mb}m",
                memswap_limit=f"{limits.memory_mb}m",
                nano_cpus=int(limits.cpus * 10**9),
                pids_limit=host.get("PidsLimit") or 2048,
                init=True,
                read_only=bool(host.get("ReadonlyRootfs")),
                tmpfs={"/tmp": ""},  # noqa: S108 (inside the container)
                cap_drop=host.get("CapDrop") or [],
                security_opt=host.get("SecurityOpt") or [],
            )
            undo.callback(remove_container, self._container)
            for network in others:
                client.networks.get(network).connect(self._container)
            self._listen(self._container.attach_socket(params={"stream": 1, "stdout": 1, "stderr": 1}))
            self._container.start()
            undo.pop_all()

    def _end(self) -> int:
        if not self.wait(0):
            with contextlib.suppress(APIError):  # It may have ended by now.
                self._container.stop(timeout=int(_STOP_SECONDS))
        # Its output ends before its state says so.
        code = int(self._container.wait(timeout=_STOP_SECONDS)["StatusCode"])
        self._container.reload()
        state = self._container.attrs["State"]
        remove_container(self._container)
        if state["Status"] == "removing":
            raise LaunchError(f"LAUNCH ERROR | {self._where} is gone.")
        if state.get("OOMKilled"):
            self._explain(f"The run's container used up its {self._limits.memory_mb} MiB of memory.")
        elif code and self._said and not self._folder.stderr.stat().st_size:
            self._explain(self._said.decode(errors="replace"))
        return code


def _of_worker(name: str | None) -> str:
    return f"The Glue worker's container {name}"


def _require_running(worker: Container) -> None:
    if worker.status != "running":
        why = "ran out of memory" if worker.attrs["State"].get("OOMKilled") else f"is {worker.status}"
        raise LaunchError(f"LAUNCH ERROR | {_of_worker(worker.name)} {why}.")


@contextlib.contextmanager
def _as_launch_errors(subject: str) -> Iterator[None]:
    """Give a run the error of whatever Docker refuses, about a container that may be gone."""
    try:
        yield
    except NotFound as error:
        raise LaunchError(f"LAUNCH ERROR | {subject} is gone: {error.explanation or error}") from error
    except APIError as error:
        raise LaunchError(f"LAUNCH ERROR | {subject} cannot be used: {error.explanation or error}") from error
    except _DOCKER_ERRORS as error:
        raise LaunchError(f"LAUNCH ERROR | The Docker engine does not answer: {error}") from error
