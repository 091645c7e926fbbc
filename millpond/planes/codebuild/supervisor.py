"""Executes builds: one thread each, which takes a build through its phases and ends what it started."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.codebuild import (
    artifacts,
    buildspec,
    environment,
    events,
    files,
    programs,
    reports,
    runtimes,
    sources,
)
from millpond.planes.codebuild.accounts import SecretArn, from_secret
from millpond.planes.codebuild.builds import Build, Phase, Shape, Status, next_phase
from millpond.planes.codebuild.buildspec import Buildspec, FileSet, PhaseSpec
from millpond.planes.codebuild.cache import PathCache, local_directory
from millpond.planes.codebuild.exceptions import ClientFailure, Interrupted, PhaseFailure
from millpond.planes.codebuild.logs import BuildLog
from millpond.planes.codebuild.shell import BuildFolder, BuildShell, CommandRunner, User, find_user
from millpond.planes.codebuild.sources import GitCredentials, GitDownload, GitSource
from millpond.planes.common import isolation
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.credentials import Clients, Credentials, RoleNotTrustingError
from millpond.planes.common.isolation import Fence
from millpond.planes.common.regexes import Regex
from millpond.planes.common.telemetry import Reporter

_LOG = logging.getLogger(__name__)
SESSION = "AWSCodeBuild"
"""What the names of builds' sessions begin with; the build's UUID follows."""
_QUEUE_SECONDS = 0.2
_COMMAND_PHASES = {
    Phase.INSTALL: "install",
    Phase.PRE_BUILD: "pre_build",
    Phase.BUILD: "build",
    Phase.POST_BUILD: "post_build",
}


@dataclass
class ActiveBuild:
    """A build that has not ended.

    Parameters
    ----------
    build : Build
        The build.
    stop : Event
        Set when somebody wants it to stop.
    thread : Thread
        What takes it through its phases.
    retries : int
        How many more builds ``on-failure`` asks for.
    """

    build: Build
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    retries: int = 0


class Records(Protocol):
    """What the plane knows beyond the build."""

    def git_credentials(self, source: Mapping[str, Any]) -> GitCredentials | SecretArn | None: ...

    def cache_generation(self, project: str) -> int: ...

    def begin_report(self, build: Build, name_or_arn: str) -> Shape: ...

    def complete_report(self, report: Shape, status: str, cases: list[Shape]) -> None: ...


@dataclass(frozen=True)
class Limits:
    """What bounds builds.

    Parameters
    ----------
    slots : Semaphore
        One for each build that may run at a time.
    seconds_per_minute : float
        How long a minute of a timeout lasts.
    stop_seconds : float
        Between asking a build's processes to end and ending them.
    ssh : str
        What Git reaches SSH servers with.
    """

    slots: threading.Semaphore
    seconds_per_minute: float
    stop_seconds: float
    ssh: str


class Execution:
    """One build from its queue to its end.

    Parameters
    ----------
    active : ActiveBuild
        Which.
    context : PlaneContext
        The stack.
    clients : Clients
        AWS clients.
    reporter : Reporter
        Takes its events.
    limits : Limits
        What bounds it.
    records : Records
        The plane.
    """

    def __init__(
        self,
        active: ActiveBuild,
        context: PlaneContext,
        clients: Clients,
        reporter: Reporter,
        limits: Limits,
        records: Records,
    ) -> None:
        self._active = active
        self._build = active.build
        self._context = context
        self._clients = clients
        self._reporter = reporter
        self._limits = limits
        self._records = records
        self._folder = BuildFolder(context.state_dir / "codebuild" / "builds" / self._build.uuid)
        self._status = Status.SUCCEEDED
        self._deadline = float("inf")
        self._log: BuildLog | None = None
        self._runner: CommandRunner | None = None
        self._shell: BuildShell | None = None
        self._credentials = Credentials("", "", "")
        self._spec = Buildspec("", {})

    def run(self) -> None:
        """Take the build through its phases; whatever happens, it completes and nothing of it is left."""
        build = self._build
        self._reporter.event(events.state_change(build))
        self._leave(Status.SUCCEEDED)
        has_slot = False
        try:
            has_slot = self._wait_for_slot()
            if has_slot:
                self._deadline = time.monotonic() + self._minutes("timeoutInMinutes")
                self._run_phases()
        finally:
            self._clean_up()
            if has_slot:
                self._limits.slots.release()
            build.complete(self._status, _now())
            self._reporter.event(events.state_change(build))

    # The order of phases

    def _wait_for_slot(self) -> bool:
        build = self._build
        build.enter(Phase.QUEUED, _now())
        overdue = time.monotonic() + self._minutes("queuedTimeoutInMinutes")
        while not self._limits.slots.acquire(timeout=_QUEUE_SECONDS):
            if self._active.stop.is_set():
                self._end(Status.STOPPED)
                return False
            if time.monotonic() > overdue:
                self._end(Status.TIMED_OUT, _context("QUEUED_TIMED_OUT", "Build timed out in the queue"))
                return False
        self._leave(Status.SUCCEEDED)
        return True

    def _run_phases(self) -> None:
        phase = Phase.PROVISIONING
        while phase is not Phase.COMPLETED:
            self._build.enter(phase, _now())
            self._say_begin(phase)
            action = ""
            failure: PhaseFailure | None = None
            try:
                self._tick()
                self._do(phase)
            except PhaseFailure as error:
                failure = error
                action = self._action_after(phase, error)
            except Interrupted as interruption:
                self._end_interrupted(phase, Status(interruption.status))
                return
            except Exception as error:  # noqa: BLE001 - the thread ends here; the build says why
                _LOG.exception("build %s could not be executed", self._build.id)
                context = _context("INTERNAL_ERROR", f"Internal Service Error: {error}")
                self._say_end(phase, Status.FAULT, context)
                self._end(Status.FAULT, context)
                return
            self._finish(phase, failure)
            phase = next_phase(phase, has_failed=failure is not None, action=action)

    def _finish(self, phase: Phase, failure: PhaseFailure | None) -> None:
        if failure is None:
            self._say_end(phase, Status.SUCCEEDED, _context("", ""))
            self._leave(Status.SUCCEEDED)
            return
        context = _context(failure.status_code, failure.message)
        self._say_end(phase, Status.FAILED, context)
        self._end(Status.FAILED, context)

    def _action_after(self, phase: Phase, failure: PhaseFailure) -> str:
        """What the buildspec wants when a phase fails."""
        spec = self._spec.phases.get(_COMMAND_PHASES.get(phase, ""), PhaseSpec()).on_failure
        if spec.action == "RETRY" and Regex(spec.pattern).search(failure.message):
            self._active.retries = spec.retries
        return spec.action

    def _do(self, phase: Phase) -> None:
        match phase:
            case Phase.PROVISIONING:
                self._provision()
            case Phase.DOWNLOAD_SOURCE:
                self._download()
            case Phase.UPLOAD_ARTIFACTS:
                self._upload()
            case Phase.FINALIZING:
                self._finalize()
            case _:
                self._run_commands(_COMMAND_PHASES[phase])

    # The phases

    def _assume(self, role: str) -> Credentials:
        try:
            project = self._context.arn("codebuild", f"project/{self._build.project_name}")
            return self._clients.assume(role, f"{SESSION}-{self._build.uuid}", project)
        except RoleNotTrustingError as error:
            message = (
                f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}. Please verify that "
                "the role exists, that its name matches exactly, and that it trusts codebuild.amazonaws.com"
            )
            raise PhaseFailure("ACCESS_DENIED", message) from error

    def _provision(self) -> None:
        self._folder.create()
        self._log = BuildLog(self._folder.log, self._build, self._clients)
        self._say_begin(Phase.PROVISIONING)
        self._credentials = self._assume(self._build.config["serviceRole"])
        self._log.hidden += [self._credentials.secret_access_key, self._credentials.session_token]
        # Git brings the sources from wherever this machine can reach them.
        self._start_runner(None)

    def _start_runner(self, fence: Fence | None) -> None:
        pid_file = self._context.pid_dir / "codebuild" / f"{self._build.uuid}.pid"
        python = self._context.tools.harness_python
        self._runner = CommandRunner(python, self._folder, pid_file, self._tick, fence)

    def _download(self) -> None:
        build, folder = self._build, self._folder
        directories: dict[str, Path] = {}
        for source in (build.config["source"], *build.config["secondarySources"]):
            identifier = source.get("sourceIdentifier") or ""
            if source is build.config["source"]:
                identifier = ""
            directories[identifier] = folder.source(identifier)
            version = environment.source_version(build.config, identifier)
            sources.empty(directories[identifier])
            if resolved := self._fetch(source, version, directories[identifier]):
                build.resolved_versions[identifier] = resolved
        self._say(f"CODEBUILD_SRC_DIR={directories['']}")
        s3 = self._clients.of("s3", self._credentials)
        text = sources.buildspec_text(s3, build.config["source"].get("buildspec"), directories[""])
        self._spec = buildspec.parse(text)
        self._say_found()
        for name in (None, *buildspec.PHASES):
            find_user(self._spec.run_as_of(name or ""), folder)
        self._end_runner()
        self._start_runner(self._fence())
        self._shell = self._make_shell(directories)
        self._restore_cache()

    def _restore_cache(self) -> None:
        """Unpack the cache; a build that cannot have it goes on without, as CodeBuild's does."""
        try:
            if self._cache().restore(self._folder.source(""), self._folder.home):
                self._say("Restored the cache")
        except (ClientError, BotoCoreError) as error:
            self._say(f"Unable to download cache: {error}")

    def _store_cache(self, source: Path) -> None:
        try:
            count = self._cache().store(source, self._folder.home, self._spec.cache_paths)
            self._say(f"Stored {count} files in the cache")
        except (ClientError, BotoCoreError) as error:
            self._say(f"Unable to upload cache: {error}")

    def _run_commands(self, name: str) -> None:
        spec = self._spec.phases.get(name)
        if spec is None:
            return
        user = find_user(self._spec.run_as_of(name), self._folder)
        failure: PhaseFailure | None = None
        for command in spec.commands:
            failure = self._run_command(command, user)
            if failure:
                break
        if failure:
            self._status = Status.FAILED
        for command in spec.finally_commands:
            failure = self._run_command(command, user) or failure
        if failure:
            raise failure

    def _run_command(self, command: str, user: User | None) -> PhaseFailure | None:
        assert self._shell is not None
        self._say(f"Running command {command.rstrip()}")
        code = self._shell.run(command, is_succeeding=self._status is Status.SUCCEEDED, user=user)
        if code == 0:
            return None
        # A negative code is the signal that ended the command, which a shell reports like this.
        code = 128 - code if code < 0 else code
        self._say(f"Command did not exit successfully {command.rstrip()} exit status {code}")
        return PhaseFailure(
            "COMMAND_EXECUTION_ERROR",
            f"Error while executing command: {command.rstrip()}. Reason: exit status {code}",
        )

    def _upload(self) -> None:
        self._note_exported_variables()
        source = self._folder.source("")
        for name, wanted in self._spec.reports.items():
            self._report(name, wanted, source)
        self._upload_artifacts(source)
        if self._status is Status.SUCCEEDED and self._spec.cache_paths:
            self._store_cache(source)

    def _finalize(self) -> None:
        assert self._log is not None
        if self._runner is not None:
            self._end_runner()
        self._log.ship()
        try:
            self._log.store()
        except (ClientError, BotoCoreError) as error:
            raise ClientFailure(f"Error while uploading logs: {error}") from error

    # Sources and the shell

    def _fetch(self, source: Mapping[str, Any], version: str | None, directory: Path) -> str:
        match source["type"]:
            case "NO_SOURCE":
                return ""
            case "S3":
                s3 = self._clients.of("s3", self._credentials)
                return sources.fetch_s3(s3, source["location"], version, directory)
        assert self._runner is not None
        runner = self._runner

        def run_git(arguments: list[str], env: Mapping[str, str], output: Path) -> int:
            return runner.run(["git", *arguments], env, cwd=self._folder.path, output=output)

        modes = self._build.config["cache"].get("modes") or []
        mirrors = self._local_cache / "git" if "LOCAL_SOURCE_CACHE" in modes else None
        output = self._folder.control / "git"
        download = GitDownload(run_git, self._base_environment(), output, self._limits.ssh, mirrors)
        directory.rmdir()
        return download.fetch(GitSource.of(source, version), directory, self._git_credentials(source))

    def _git_credentials(self, source: Mapping[str, Any]) -> GitCredentials | None:
        credentials = self._records.git_credentials(source)
        if isinstance(credentials, SecretArn):
            secrets_manager = self._clients.of("secretsmanager", self._credentials)
            credentials = from_secret(secrets_manager, credentials, source["type"])
        if credentials is not None and self._log is not None:
            self._log.hidden.append(credentials.token)
        return credentials

    def _fence(self) -> Fence:
        """What the commands of the buildspec see: also repositories here that the project names for them."""
        tools, config = self._context.tools, self._build.config
        named = [
            *(source.get("location") for source in (config["source"], *config["secondarySources"])),
            *(variable["value"] for variable in config["environment"]["environmentVariables"]),
        ]
        local = [
            url2pathname(urlsplit(location).path)
            for location in named
            if location and location.startswith("file:///")
        ]
        terraform = [*isolation.installation(tools.terraform)] if tools.terraform else []
        mirror = [tools.terraform_mirror] if tools.terraform_mirror else []
        providers = tools.jars_dir.parent / "terraform" / "providers"
        return isolation.fence(
            self._context,
            readable=[*isolation.installation(tools.harness_python), *terraform, *mirror, self._local_cache],
            writable=[
                *(self._folder.path, self._folder.tmp, providers, *map(Path, local)),
                # Where commands like "pip install" put what they install, for the builds that use it.
                *(
                    path
                    for runtime in tools.lambda_python.values()
                    for path in isolation.installation(runtime)
                ),
            ],
            installs=True,
        )

    def _make_shell(self, directories: Mapping[str, Path]) -> BuildShell:
        assert self._log is not None
        assert self._runner is not None
        spec, tools = self._spec, self._context.tools
        install = spec.phases.get("install", PhaseSpec())
        chosen = runtimes.choose(install.runtime_versions, environment.SYSTEM_PATH, tools)
        programs.install(self._folder.programs, tools, chosen)
        values, hidden = environment.resolve(
            environment.wanted(self._build.config, spec),
            self._clients.of("ssm", self._credentials),
            self._clients.of("secretsmanager", self._credentials),
        )
        self._log.hidden += hidden
        variables = {
            **self._base_environment(),
            "AWS_ENDPOINT_URL": self._context.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            **self._credentials.to_environment(),
            **environment.built_in(self._build, directories, self._context.region),
        }
        for runtime in chosen:
            variables |= runtime.variables
        variables |= self._git_helper()
        return BuildShell(
            self._runner,
            self._folder,
            spec.shell,
            {**variables, **values},
            is_shared=spec.version != "0.1",
        )

    def _git_helper(self) -> dict[str, str]:
        """Let Git commands of the build use the credentials of its source, if the buildspec says so."""
        source = self._build.config["source"]
        credentials = self._git_credentials(source) if self._spec.uses_git_credential_helper else None
        if credentials is None:
            return {}
        key, value = credentials.setting(source["location"])
        return {
            **credentials.to_environment(),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": key,
            "GIT_CONFIG_VALUE_0": value,
        }

    def _base_environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._folder.programs}:{environment.SYSTEM_PATH}",
            "HOME": str(self._folder.home),
            "TMPDIR": str(self._folder.tmp),
            "LANG": "C.UTF-8",
        }

    # Results

    def _upload_artifacts(self, source: Path) -> None:
        build, spec = self._build, self._spec
        main = build.config["artifacts"]
        if main["type"] == "S3" and spec.artifacts is not None:
            build.artifacts = self._upload_one(main, spec.artifacts, source)
        for settings in build.config["secondaryArtifacts"]:
            wanted = spec.secondary_artifacts.get(settings["artifactIdentifier"])
            if wanted is None:
                raise ClientFailure(
                    f"the buildspec has no secondary artifact {settings['artifactIdentifier']}"
                )
            if settings["type"] == "S3":
                build.secondary_artifacts.append(self._upload_one(settings, wanted, source))

    def _upload_one(self, settings: Mapping[str, Any], wanted: FileSet, source: Path) -> Shape:
        assert self._shell is not None
        name = self._shell.expand(wanted.name) if settings.get("overrideArtifactName") else ""
        key = artifacts.object_key(settings, self._build.uuid, name)
        chosen = files.select(source, wanted)
        self._say(f"Uploading artifacts: {len(chosen)} files")
        try:
            return artifacts.upload(self._clients.of("s3", self._credentials), settings, key, chosen)
        except (ClientError, BotoCoreError) as error:
            raise ClientFailure(f"Error while uploading artifacts: {error}") from error

    def _report(self, name: str, wanted: FileSet, source: Path) -> None:
        report = self._records.begin_report(self._build, name)
        self._build.report_arns.append(report["arn"])
        try:
            if wanted.file_format != "JUNITXML":
                raise reports.UnreadableReport(f"the file format {wanted.file_format} cannot be read here")
            report_files = list(files.select(source, wanted).values())
            cases = reports.parse_junit(report_files, source)
        except (reports.UnreadableReport, ClientFailure) as error:
            self._say(f"Error in report {name}: {error}")
            self._records.complete_report(report, "FAILED", [])
            return
        self._say(f"Report {name}: {len(cases)} test cases in {len(report_files)} files")
        self._records.complete_report(report, reports.status_of(cases), cases)

    def _note_exported_variables(self) -> None:
        assert self._shell is not None
        if not self._spec.exported_variables:
            return
        values = self._shell.variables()
        self._build.exported = [
            {"name": name, "value": values.get(name, "")} for name in self._spec.exported_variables
        ]

    @property
    def _local_cache(self) -> Path:
        return local_directory(self._context, self._build.project_name)

    def _cache(self) -> PathCache:
        name = self._build.project_name
        s3 = self._clients.of("s3", self._credentials)
        generation = self._records.cache_generation(name)
        return PathCache(self._build.config["cache"], name, generation, self._local_cache, s3)

    # Ends

    def _end_interrupted(self, phase: Phase, status: Status) -> None:
        if self._runner is not None:
            self._end_runner()
        context = None
        if status is Status.TIMED_OUT:
            context = _context("BUILD_TIMED_OUT", "Build has timed out.")
        self._say_end(phase, status, context or _context("", ""))
        self._end(status, context)

    def _clean_up(self) -> None:
        try:
            if self._runner is not None:
                self._end_runner()
            if self._log is not None:
                self._log.ship(is_last=True)
                if self._build.phase is not Phase.FINALIZING:
                    self._log.store()
        except Exception:  # noqa: BLE001 - the thread ends here; the build has failed, and the log says why
            _LOG.exception("what build %s left could not be cleaned up", self._build.id)
            self._status = Status.FAULT
        finally:
            self._folder.remove()

    def _end_runner(self) -> None:
        assert self._runner is not None
        self._runner.end(self._limits.stop_seconds)
        self._runner = None

    def _tick(self) -> None:
        if self._log is not None:
            self._log.ship()
        if self._active.stop.is_set():
            raise Interrupted(Status.STOPPED)
        if time.monotonic() > self._deadline:
            raise Interrupted(Status.TIMED_OUT)

    def _end(self, status: Status, context: Shape | None = None) -> None:
        """The build will not succeed any more; the current phase ends so."""
        self._status = status
        self._leave(status, context)

    def _leave(self, status: Status, context: Shape | None = None) -> None:
        record = self._build.leave(status, _now(), context)
        self._reporter.event(events.phase_change(self._build, record))

    def _minutes(self, member: str) -> float:
        return float(self._build.config[member]) * self._limits.seconds_per_minute

    # What the log says

    def _say(self, text: str) -> None:
        if self._log is not None:
            self._log.say(text)

    def _say_begin(self, phase: Phase) -> None:
        self._say(f"Entering phase {phase}" if phase in _COMMAND_PHASES else f"Phase is {phase}")

    def _say_end(self, phase: Phase, status: Status, context: Shape) -> None:
        self._say(f"Phase complete: {phase} State: {status}")
        self._say(f"Phase context status code: {context['statusCode']} Message: {context['message']}")

    def _say_found(self) -> None:
        spec = self._spec
        if spec.has_batch:
            self._say("The batch section of the buildspec is not used: this is not a batch build")
        self._say(f"Phases found in YAML: {len(spec.phases)}")
        for name, phase in spec.phases.items():
            self._say(f" {name.upper()}: {len(phase.commands) + len(phase.finally_commands)} commands")


def _context(status_code: str, message: str) -> Shape:
    return {"statusCode": status_code, "message": message}


def _now() -> datetime:
    return datetime.now(UTC)
