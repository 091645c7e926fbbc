"""The tier with Docker: the containers of docker-compose.yml."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from filelock import FileLock
from requests.exceptions import RequestException

from millpond.base.config import CHECKOUT, Settings
from millpond.base.containers import OF_PROJECT, OF_WORKER, remove_labelled
from millpond.base.errors import MillpondError
from millpond.base.waiting import SCALE, DeadlinePassed, scaled, wait_until
from millpond.stack import Service, StepCallback
from millpond.stack.images import Image, context_directory, images, is_localstacks_own, stage
from millpond.stack.onprem import OnPremDatabase
from millpond.stack.ports import listener_on, taken
from millpond.toolchain.components import find_deployer

COMPOSE_FILE = CHECKOUT / "docker-compose.yml"
TOKEN_FILE = CHECKOUT / "docker" / "with-token.yml"
DEFAULT_SOCKET = Path("/var/run/docker.sock")
# Our names of the parts, and the services of docker-compose.yml.
SERVICES = {"engine": "localstack", "onprem": "onprem-db", "glue": "glue"}
# Docker refuses more processors than there are: all of them, where the environment does not say.
CPUS = ("MILLPOND_ENGINE_CPUS", "MILLPOND_ONPREM_CPUS", "MILLPOND_GLUE_CPUS")
COMMAND_SECONDS = 900.0
HEALTHY_SECONDS = 120.0
STOP_SECONDS = 20
LOG_LINES = 25
ENDED = ("exited", "dead")
OF_CHECKOUT = "org.millpond.checkout"


@contextlib.contextmanager
def _said_in_words() -> Iterator[None]:
    """Name what the Docker engine refused, or that it does not answer any more."""
    try:
        yield
    except (DockerException, RequestException) as error:
        raise MillpondError(
            "The Docker engine could not do what it was asked for.",
            where=_address(),
            next_step="docker info; then millpond down, and millpond up",
            detail=str(error)[:1000],
        ) from error


class ComposeStack:
    """The containers of one state directory.

    Parameters
    ----------
    settings : Settings
        Ports, images and the state directory, after which the Compose project is named.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = settings.state / "compose"
        self.project = f"millpond-{hashlib.sha256(str(settings.state).encode()).hexdigest()[:8]}"
        self.onprem = OnPremDatabase(settings)
        self._images = images(settings)

    @_said_in_words()
    def up(self, on_step: StepCallback | None = None) -> None:
        """Build the images that are missing and start the containers, until all are healthy.

        Raises
        ------
        MillpondError
            If there is no Docker engine or it may not be used, a port is taken, an image cannot be had, or
            a container does not become healthy. What this call had started is stopped again.
        """
        say = on_step or _say_nothing
        client = connect()
        running = {service.name for service in self.services() if service.is_running}
        try:
            if len(running) < len(SERVICES):
                self._refuse_taken_ports(running)
                self._write_secrets()
                self.ensure_images(say)
                say("starting the containers")
                self._compose("up", "--detach", "--no-build", variables=self._mounts())
            for name in SERVICES:
                say(f"waiting for the {name}")
                self._wait_until_healthy(client, name)
            self.onprem.provision(sets_password="onprem" not in running)
        except BaseException:
            if not running:
                with contextlib.suppress(MillpondError):
                    self.down()
            raise

    @_said_in_words()
    def down(self) -> None:
        """Stop and remove the containers and networks; the database keeps its data in its volume."""
        self._down()

    @_said_in_words()
    def remove(self, *, shared: bool = False) -> None:
        """Remove the containers with their volumes; if told so, the images that this checkout built too."""
        self._down("--volumes")
        if shared:
            _remove_images(connect())

    @_said_in_words()
    def services(self) -> list[Service]:
        """The containers; none runs where no Docker engine does."""
        addresses = {
            "engine": self._settings.endpoint_url,
            "onprem": f"127.0.0.1:{self._settings.onprem_port}",
            "glue": f"docker exec {self._container_name('glue')}",
        }
        running = self._running()
        return [
            Service(name, name in running, addresses[name], f"docker logs {self._container_name(name)}")
            for name in SERVICES
        ]

    @_said_in_words()
    def log(self, service: str, lines: int) -> str:
        """The end of a container's log; empty when there is no container."""
        try:
            container = connect().containers.get(self._container_name(service))
        except NotFound:
            return ""
        written: bytes = container.logs(tail=lines)
        return written.decode(errors="replace").strip()

    def _container_name(self, service: str) -> str:
        return f"{self.project}-{SERVICES[service]}"

    def _running(self) -> set[str]:
        try:
            client = connect()
        except MillpondError:
            return set()
        found = client.containers.list(
            filters={"label": f"com.docker.compose.project={self.project}"}, ignore_removed=True
        )
        names = {container.name for container in found}
        return {service for service in SERVICES if self._container_name(service) in names}

    def _refuse_taken_ports(self, running: set[str]) -> None:
        settings = self._settings
        wanted = {
            "engine": (settings.gateway_port, "gateway_port"),
            "onprem": (settings.onprem_port, "onprem_port"),
        }
        for service, (port, setting) in wanted.items():
            if service not in running and (holder := listener_on(port)) is not None:
                raise taken(port, holder, setting)

    def _write_secrets(self) -> None:
        """The administrator's password, for the container's user; only its owner enters the directory."""
        directory = self._directory / "secrets"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = directory / "onprem_admin_password"
        secret.unlink(missing_ok=True)
        secret.write_text(self.onprem.admin_password_file().read_text())
        secret.chmod(0o444)

    def ensure_images(self, on_step: StepCallback | None = None) -> None:
        """Build the images that are missing.

        Raises
        ------
        MillpondError
            If what they build on is not there and cannot be pulled.
        """
        client = connect()
        say = on_step or _say_nothing
        self._settings.home.mkdir(parents=True, exist_ok=True)
        with FileLock(self._settings.home / "images.lock"):
            self._ensure_images(client, say)

    def _ensure_images(self, client: docker.DockerClient, say: StepCallback) -> None:
        self._ensure_base(client, self._settings.postgres_image, say)
        for image in self._images:
            if image.name == "engine" and is_localstacks_own(self._settings):
                self._ensure_base(client, image.base, say)
            else:
                self._ensure_image(client, image, say)

    def _ensure_image(self, client: docker.DockerClient, image: Image, say: StepCallback) -> None:
        try:
            client.images.get(image.tag)
            return
        except ImageNotFound:
            pass
        self._ensure_base(client, image.base, say)
        say(f"gathering what goes into the {image.name}'s image")
        stage(image, self._settings)
        say(f"building the {image.name}'s image")
        try:
            self._compose("build", SERVICES[image.name], timeout=COMMAND_SECONDS)
        finally:
            shutil.rmtree(context_directory(image, self._settings))
        _remove_images(client, but=(image.tag,), repository=image.tag.partition(":")[0])

    def _ensure_base(self, client: docker.DockerClient, name: str, say: StepCallback) -> None:
        try:
            client.images.get(name)
            return
        except ImageNotFound:
            pass
        say(f"pulling {name}")
        try:
            client.images.pull(name)
        except DockerException as error:
            raise MillpondError(
                f"The image {name} is not on this machine and could not be pulled.",
                where="the Docker engine",
                next_step="reach an image registry, name other images (MILLPOND_LOCALSTACK_IMAGE,"
                " MILLPOND_GLUE_IMAGE, MILLPOND_POSTGRES_IMAGE), or make stand-ins with"
                " tests/compose/base_images.sh",
                detail=str(error)[:1000],
            ) from error

    def _wait_until_healthy(self, client: docker.DockerClient, name: str) -> None:
        container = client.containers.get(self._container_name(name))

        def is_healthy() -> bool:
            container.reload()
            state = container.attrs["State"]
            if state["Status"] in ENDED:
                raise self._unhealthy(container, name, _reason_of_exit(state))
            return bool(state.get("Health", {}).get("Status") == "healthy")

        try:
            wait_until("health", is_healthy, HEALTHY_SECONDS, pause=0.2)
        except DeadlinePassed:
            why = f"was not healthy within {scaled(HEALTHY_SECONDS):.0f} s"
            raise self._unhealthy(container, name, why) from None

    def _unhealthy(self, container: Container, name: str, why: str) -> MillpondError:
        written = container.logs(tail=LOG_LINES).decode(errors="replace").strip()
        state = container.attrs["State"]
        checks = state.get("Health", {}).get("Log") or [{"Output": ""}]
        next_step = "millpond down, then millpond up"
        if state.get("OOMKilled"):
            next_step = f"set MILLPOND_{name.upper()}_MEMORY to more, then millpond up"
        full = "No space left on device" in written
        return MillpondError(
            f"The container of the {name} {why}." + (" The disk is full." if full else ""),
            where=f"docker logs {container.name}",
            next_step="free some space, then millpond up" if full else next_step,
            detail="\n".join(filter(None, [written, checks[-1]["Output"].strip()])),
        )

    def _down(self, *options: str) -> None:
        client = connect()
        try:
            # First, because it starts containers of runs and functions; Compose leaves them, and then fails.
            with contextlib.suppress(NotFound):
                client.containers.get(self._container_name("engine")).stop(timeout=STOP_SECONDS)
            labels = [f"{OF_WORKER}={self._container_name('glue')}", f"{OF_PROJECT}={self.project}"]
            remove_labelled(client, labels)
        finally:
            self._compose("down", "--remove-orphans", "--timeout", str(STOP_SECONDS), *options)

    def _mounts(self) -> dict[str, str]:
        """What builds take from this machine."""
        terraform, providers = find_deployer(self._settings)
        if providers is None:
            providers = self._directory / "providers"
            providers.mkdir(parents=True, exist_ok=True)
        # A deployment fills it; made by Docker, it would be root's.
        self._settings.repository.mkdir(parents=True, exist_ok=True)
        self._settings.repository.chmod(0o755)
        return {
            "MILLPOND_REPOSITORY": str(self._settings.repository),
            "MILLPOND_TERRAFORM": str(terraform),
            "MILLPOND_TERRAFORM_PROVIDERS": str(providers),
        }

    def _compose(
        self, *arguments: str, variables: Mapping[str, str] | None = None, timeout: float = COMMAND_SECONDS
    ) -> None:
        for image in self._images:
            # docker-compose 1.29 asks for it also when nothing is built.
            context_directory(image, self._settings).mkdir(parents=True, exist_ok=True)
        files = (part for file in compose_files(self._settings) for part in ("--file", str(file)))
        command = [*compose_command(), *files]
        try:
            result = subprocess.run(
                [*command, "--project-directory", str(CHECKOUT), "--project-name", self.project, *arguments],
                env={**os.environ, **self.environment(), **(variables or {})},
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise MillpondError(
                f"`{arguments[0]}` did not end within {timeout:.0f} s.",
                where=str(COMPOSE_FILE),
                next_step="millpond down, then try again",
            ) from error
        if result.returncode:
            raise self._failure(arguments[0], result.stderr or result.stdout)

    def _failure(self, verb: str, said: str) -> MillpondError:
        end = "\n".join(said.strip().splitlines()[-LOG_LINES:])
        if "no space left on device" in said.lower():
            return MillpondError(
                "The Docker engine's disk is full.",
                where="docker system df",
                next_step="free some space (docker system prune), then millpond up",
                detail=end,
            )
        if verb == "up" and (broken := self._broken_container()):
            return broken
        return MillpondError(
            f"Compose could not do `{verb}`.",
            where=str(COMPOSE_FILE),
            next_step="millpond down, then millpond up",
            detail=end,
        )

    def _broken_container(self) -> MillpondError | None:
        """What happened to the first container that ended, or is not healthy, though others need it."""
        client = connect()
        for name in ("onprem", "glue", "engine"):
            with contextlib.suppress(NotFound):
                container = client.containers.get(self._container_name(name))
                state = container.attrs["State"]
                if state["Status"] in ENDED:
                    return self._unhealthy(container, name, _reason_of_exit(state))
                if state.get("Health", {}).get("Status") == "unhealthy":
                    return self._unhealthy(container, name, "is not healthy")
        return None

    def environment(self) -> dict[str, str]:
        """What docker-compose.yml leaves open."""
        settings = self._settings
        engine, glue = self._images
        socket = socket_path()
        gid = socket.stat().st_gid if socket.exists() else 0
        return {
            "MILLPOND_COMPOSE_PROJECT": self.project,
            "MILLPOND_CHECKOUT": str(CHECKOUT),
            "MILLPOND_ENGINE_IMAGE": engine.tag,
            "MILLPOND_GLUE_WORKER_IMAGE": glue.tag,
            "MILLPOND_LOCALSTACK_IMAGE": settings.localstack_image,
            "MILLPOND_GLUE_IMAGE": settings.glue_image,
            "MILLPOND_POSTGRES_IMAGE": settings.postgres_image,
            "MILLPOND_IMAGES_DIR": str(settings.home / "images"),
            "MILLPOND_SECRETS_DIR": str(self._directory / "secrets"),
            "MILLPOND_GATEWAY_PORT": str(settings.gateway_port),
            "MILLPOND_ONPREM_PORT": str(settings.onprem_port),
            "MILLPOND_REGION": settings.region,
            "MILLPOND_GLUE_CONTAINER_MODE": settings.glue_container_mode,
            "MILLPOND_GLUE_JVM_OPTIONS": settings.glue_jvm_options,
            "MILLPOND_IAM_MODE": settings.iam_mode,
            "MILLPOND_GLUE_MEMORY": settings.glue_memory,
            **{name: os.environ.get(name, str(os.cpu_count() or 1)) for name in CPUS},
            "MILLPOND_LAMBDA_EXECUTOR": settings.lambda_executor,
            SCALE: os.environ.get(SCALE, "1"),
            "MILLPOND_CODEBUILD_MAX_RUNNING": str(settings.codebuild_max_running),
            "MILLPOND_DOCKER_SOCKET": str(socket),
            "MILLPOND_DOCKER_GID": str(gid),
        }


def connect() -> docker.DockerClient:
    """A client of the Docker engine that ``DOCKER_HOST`` names, or of the machine's own.

    Raises
    ------
    MillpondError
        If none runs, it may not be used, or it is on another machine.
    """
    socket_path()
    address = _address()
    try:
        client = docker.from_env()
        client.ping()
    except (DockerException, RequestException) as error:
        if "Permission denied" in str(error) or "PermissionError" in str(error):
            raise MillpondError(
                "You may not use the Docker engine's socket.",
                where=address,
                next_step="add yourself to its group (sudo usermod -aG docker $USER), and log in again",
            ) from error
        raise MillpondError(
            "No Docker engine answers.",
            where=address,
            next_step="start Docker, or use the tier that needs none: millpond --tier embedded up",
            detail=str(error)[:500],
        ) from error
    return client


def _address() -> str:
    return os.environ.get("DOCKER_HOST", f"unix://{DEFAULT_SOCKET}")


def socket_path() -> Path:
    """The engine's socket, which the engine's container is given.

    Raises
    ------
    MillpondError
        If ``DOCKER_HOST`` is not a socket of this machine.
    """
    host = os.environ.get("DOCKER_HOST", "")
    if host and not host.startswith("unix://"):
        raise MillpondError(
            "The Docker engine is on another machine; the ports of the stack would be there too.",
            where=f"DOCKER_HOST={host}",
            next_step="unset DOCKER_HOST, or set it to a socket of this machine (unix://…)",
        )
    path = Path(host.removeprefix("unix://")) if host else DEFAULT_SOCKET
    return path.resolve()


def compose_files(settings: Settings) -> list[Path]:
    """The files that make the stack, each adding to the ones before it."""
    return [COMPOSE_FILE, TOKEN_FILE] if is_localstacks_own(settings) else [COMPOSE_FILE]


def compose_command() -> list[str]:
    """Compose v2 where Docker has it, else docker-compose 1.29.

    Raises
    ------
    MillpondError
        If there is neither.
    """
    if shutil.which("docker"):
        found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if found.returncode == 0:
            return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise MillpondError(
        "Neither `docker compose` nor `docker-compose` is there.",
        next_step="install Docker's Compose plug-in (Debian: apt-get install docker-compose)",
    )


def _remove_images(
    client: docker.DockerClient, repository: str | None = None, but: Sequence[str] = ()
) -> None:
    """Remove the images that were built in this checkout and are not in use."""
    for image in client.images.list(repository, filters={"label": f"{OF_CHECKOUT}={CHECKOUT}"}):
        if not set(image.tags) & set(but):
            with contextlib.suppress(APIError):  # A container of another stack may use it.
                client.images.remove(image.id, force=True)


def _reason_of_exit(state: dict[str, Any]) -> str:
    if state.get("OOMKilled"):
        return "ran out of the memory that it is given and was killed"
    return f"ended with exit code {state['ExitCode']}"


def _say_nothing(_: str) -> None:
    return
