"""Settings: defaults, then the project's ``millpond.toml``, then ``MILLPOND_*`` environment variables."""

from __future__ import annotations

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from millpond.base.errors import MillpondError
from millpond.base.places import CHECKOUT, HIDDEN, IS_CHECKOUT, default_cache, default_home

__all__ = ["CHECKOUT", "Settings", "load_settings"]
PROJECT_FILE = "millpond.toml"
ACCOUNT_ID = "000000000000"
# Where docker-compose.yml mounts the repository that builds read.
REPOSITORY_IN_CONTAINER = "/srv/repository.git"


class OnPrem(BaseModel, extra="forbid"):
    """The table ``[onprem]``: what the on-premises PostgreSQL has.

    Parameters
    ----------
    database : str
        Its database.
    role : str
        The role with which jobs read it.
    """

    database: str = Field("onprem", min_length=1)
    role: str = Field("reader", min_length=1)


class Athena(BaseModel, extra="forbid"):
    """The table ``[athena]``: which engine answers queries.

    Parameters
    ----------
    engine : str
        ``auto``: statements are compiled, and what the compiler has not proven goes to Trino if that is
        installed. ``duckdb`` and ``trino``: one of them alone. Or the address of a Trino coordinator.
    user : str
        Who asks a coordinator.
    trino_heap : str
        What the JVM of a Trino that Millpond starts may take for objects, as Java writes it.
    trino_idle_seconds : float
        After so long without a query it is stopped.
    """

    engine: str = Field("auto", pattern=r"^(auto|duckdb|trino|https?://.+)$")
    user: str = Field("athena", min_length=1)
    trino_heap: str = Field("2g", pattern=r"^\d+[mg]$")
    trino_idle_seconds: float = Field(900.0, gt=0)


class Deploy(BaseModel, extra="forbid"):
    """The table ``[deploy]``: how the project is deployed.

    Parameters
    ----------
    kind : str
        ``terraform``, ``cdk``, ``sam`` or ``cloudformation``: what is applied to the stack as it is.
        ``build``: a stack whose build runs Terraform. Not set: what is found in ``directory``.
    template : str
        CloudFormation template, from the project's directory; for ``build`` that of the stack with the build.
    directory : str
        Where the configuration of Terraform or the app of CDK is; for ``build`` unless the stack says.
    stack : str
        Name of the stack of a template; project and template unless set.
    variables : mapping
        What Terraform is told in the local stack. ``$onprem_host``, ``$onprem_port`` and ``$onprem_database``
        in a text become what they name.
    parameters : mapping
        Values of a template's parameters.
    """

    kind: Literal["", "build", "terraform", "cdk", "sam", "cloudformation"] = ""
    template: str = "template.yaml"
    directory: str = "."
    stack: str = Field("", pattern=r"^([A-Za-z][A-Za-z0-9-]{0,127})?$")
    variables: dict[str, Any] = {}
    parameters: dict[str, str] = {}


class Glue(BaseModel, extra="forbid"):
    """The table ``[glue]``: how jobs of Glue are executed.

    Parameters
    ----------
    versions : mapping of str to str
        Glue versions whose jobs run on another one's environment, as ``"4.0" = "6.0"``.
    master : str
        Where Spark's tasks run: ``local-cluster``, executors in processes of their own, as
        ``NumberOfWorkers`` says; or the address of a cluster's master on this machine, ``spark://…``.
        Not set: in one process.
    """

    versions: dict[str, str] = {}
    master: str = Field("", pattern=r"^(local-cluster|spark://.+)?$")


class Settings(BaseSettings):
    """What a person can set; every field but the tables is also ``MILLPOND_<FIELD>`` in the environment.

    Parameters
    ----------
    home : Path
        Where the toolchain is: ``.millpond`` of a checkout; ``millpond`` in the user's directory of data
        where Millpond is installed.
    state_dir : Path, optional
        State of one running stack; ``.millpond/state`` of the project unless set, or ``.millpond/compose`` in
        that tier. Two stacks need two of them.
    gateway_port : int
        Port of the AWS endpoint on 127.0.0.1.
    onprem_port : int
        Port of the on-premises PostgreSQL on 127.0.0.1.
    region : str
        AWS region that Millpond's own verbs use; the stack answers every region.
    project, environment : str
        First two parts of every resource name.
    codebuild_max_running : int
        Builds that run at once; others wait.
    glue_warm_jvms : int
        JVMs that wait for the next Spark runs, about 250 MB of memory each; 0 starts every run cold.
    glue_jvm_options : str
        What every Spark run's JVM is started with besides. ``-XX:TieredStopAtLevel=1`` takes two fifths
        of the processor's time off runs of few rows; long ones want the compiler that it turns off.
    iam_mode : {"off", "audit", "enforce"}
        What becomes of a call that IAM's policies deny: nobody asks them; it is done and kept for
        ``millpond iam``; it is refused.
    keep_state : bool
        Whether what is deployed is there again after ``millpond down`` and ``up``; in the tier ``compose`` it
        never is.
    keep_run_folders : bool
        Whether the folder of a job run (script, libraries, configuration, output) stays when the run has
        ended, for somebody to look into; below ``glue/runs`` of the state directory.
    isolation : {"auto", "off"}
        Whether code of jobs, functions, builds and queries is kept from the home, the state directory and the
        processes of others, where the kernel can do so: ``docs/isolation.md``. In the tier ``compose`` the
        containers do.
    callers : {"own", "any"}
        Whose processes the AWS endpoint answers: those of the user who started it, and root's, where the
        system tells whose they are; or everybody's on this machine.
    tier : {"embedded", "compose"}
        What the stack is made of: processes on this machine, or the containers of docker-compose.yml.
    localstack_image, glue_image, postgres_image : str
        For the tier ``compose``: what its images build on.
    glue_container_mode : {"warm", "per-run"}
        For the tier ``compose``: all job runs in one container, or each in one of its own.
    glue_memory : str
        For the tier ``compose``: memory of the Glue worker's container, as Docker writes it.
    lambda_executor : {"process", "docker"}
        For the tier ``compose``: Lambda functions as processes in the engine's container, or by LocalStack's
        own executor in a container each.
    cache : Path, optional
        Environments and jars of Glue versions, for all checkouts and stacks of a user; ``millpond`` in the
        user's directory of caches unless set.
    maven_mirror : str
        Address of a Maven repository that stands in for Maven Central.
    onprem, athena, glue, deploy
        Tables of ``millpond.toml``: :class:`OnPrem`, :class:`Athena`, :class:`Glue`, :class:`Deploy`.
        Others are those of plug-ins.
    """

    model_config = SettingsConfigDict(env_prefix="MILLPOND_", extra="forbid")

    home: Path = Field(default_factory=default_home)
    state_dir: Path | None = None
    gateway_port: int = Field(4566, ge=1, le=65535)
    onprem_port: int = Field(25432, ge=1, le=65535)
    region: str = "eu-west-1"
    project: str = "millpond"
    environment: str = "dev"
    codebuild_max_running: int = Field(4, ge=1)
    glue_warm_jvms: int = Field(1, ge=0)
    glue_jvm_options: str = ""
    iam_mode: Literal["off", "audit", "enforce"] = "audit"
    keep_state: bool = True
    keep_run_folders: bool = False
    isolation: Literal["auto", "off"] = "auto"
    callers: Literal["own", "any"] = "own"
    tier: Literal["embedded", "compose"] = "embedded"
    localstack_image: str = "localstack/localstack:4.14.0"
    glue_image: str = "public.ecr.aws/glue/aws-glue-libs:5"
    postgres_image: str = "postgres:18"
    glue_container_mode: Literal["warm", "per-run"] = "warm"
    glue_memory: str = "4g"
    lambda_executor: Literal["process", "docker"] = "process"
    cache: Path = Field(default_factory=default_cache)
    maven_mirror: str = ""
    onprem: OnPrem = OnPrem()
    athena: Athena = Athena()
    glue: Glue = Glue()
    deploy: Deploy = Deploy()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (signature of the base)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (signature of the base)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        content = read_project_file()
        known = {
            name: value
            for name, value in content.items()
            if name in settings_cls.model_fields or not isinstance(value, dict)
        }
        return init_settings, env_settings, InitSettingsSource(settings_cls, known)

    @property
    def project_dir(self) -> Path:
        """What :func:`find_project` finds."""
        return find_project()

    @cached_property
    def project_home(self) -> Path:
        """What Millpond keeps of this project."""
        return self.home if self.project_dir == CHECKOUT else self.project_dir / HIDDEN

    @property
    def has_onprem(self) -> bool:
        """Whether the project asks for an on-premises database: by a table ``[onprem]``, if an empty one."""
        return "onprem" in self.model_fields_set or self.tier == "compose"

    @cached_property
    def state(self) -> Path:
        """Where the state of this stack is."""
        usual = self.project_home / ("state" if self.tier == "embedded" else self.tier)
        return (self.state_dir or usual).resolve()

    @property
    def onprem_address(self) -> tuple[str, int]:
        """Host and port of the on-premises database as jobs and functions see them."""
        return ("127.0.0.1", self.onprem_port) if self.tier == "embedded" else ("onprem-db", 5432)

    @property
    def repository(self) -> Path:
        """Git repository that deployments are built from."""
        return self.state / "repository.git"

    @property
    def repository_url(self) -> str:
        """Its address as builds see it."""
        return self.repository.as_uri() if self.tier == "embedded" else f"file://{REPOSITORY_IN_CONTAINER}"

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def prefix(self) -> str:
        return f"{self.project}-{self.environment}"

    @property
    def trino_dir(self) -> Path:
        """Where Trino is, or will be once it is installed."""
        return (self.home / "trino").absolute()

    @property
    def account_id(self) -> str:
        return ACCOUNT_ID


def find_project() -> Path:
    """The nearest directory from here upwards with a ``millpond.toml``.

    Where none has one, it is Millpond's checkout, or the directory that we are in if Millpond is installed.
    """
    here = Path.cwd()
    projects = (folder for folder in (here, *here.parents) if (folder / PROJECT_FILE).is_file())
    return next(projects, CHECKOUT if IS_CHECKOUT else here)


def read_project_file() -> dict[str, Any]:
    """What the project's ``millpond.toml`` says; nothing where there is none.

    Raises
    ------
    MillpondError
        If it is not TOML.
    """
    path = find_project() / PROJECT_FILE
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MillpondError(
            f"The project file is not TOML: {error}.", where=str(path), next_step="correct it"
        ) from error


def load_settings() -> Settings:
    """Read the settings.

    Raises
    ------
    MillpondError
        If a value is not acceptable; it names the setting.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise not_acceptable(error) from error


def not_acceptable(error: ValidationError) -> MillpondError:
    """The error for a person of a setting whose value cannot be taken."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    return MillpondError(
        f"The setting {name} is not acceptable: {first['msg']}.",
        where=f"MILLPOND_{name.upper()} in the environment, or {find_project() / PROJECT_FILE}",
        next_step="correct it, then run the command again",
    )
