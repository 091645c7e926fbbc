"""Settings: defaults, then ``millpond.toml``, then ``MILLPOND_*`` environment variables."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from millpond.base.errors import MillpondError

CHECKOUT = Path(__file__).resolve().parents[2]
ACCOUNT_ID = "000000000000"
# Where docker-compose.yml mounts the repository that builds read.
REPOSITORY_IN_CONTAINER = "/srv/repository.git"


class Settings(BaseSettings):
    """What a person can set; every field is also ``MILLPOND_<FIELD>`` in the environment.

    Parameters
    ----------
    home : Path
        Everything Millpond makes lives below it: toolchain, state and logs.
    state_dir : Path, optional
        State of one running stack; ``home/state`` unless set, or ``home/compose`` in that tier. Two stacks
        need two of them.
    gateway_port : int
        Port of the AWS endpoint on 127.0.0.1.
    onprem_port : int
        Port of the on-premises PostgreSQL on 127.0.0.1.
    region : str
        AWS region of the local stack.
    project, environment : str
        First two parts of every resource name.
    scale : float
        Multiplies the number of rows seeded into the schema ``erp``.
    tpch_sf : float
        TPC-H scale factor of the schema ``tpch``; 1.0 is 6 million order lines.
    codebuild_max_running : int
        Builds that run at once; others wait.
    glue_warm_jvms : int
        JVMs that wait for the next Spark runs, about 250 MB of memory each; 0 starts every run cold.
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
    """

    model_config = SettingsConfigDict(env_prefix="MILLPOND_", extra="forbid")

    home: Path = CHECKOUT / ".millpond"
    state_dir: Path | None = None
    gateway_port: int = Field(4566, ge=1, le=65535)
    onprem_port: int = Field(55432, ge=1, le=65535)
    region: str = "eu-west-1"
    project: str = "millpond"
    environment: str = "dev"
    scale: float = Field(1.0, gt=0)
    tpch_sf: float = Field(0.01, gt=0)
    codebuild_max_running: int = Field(4, ge=1)
    glue_warm_jvms: int = Field(1, ge=0)
    tier: Literal["embedded", "compose"] = "embedded"
    localstack_image: str = "localstack/localstack:4.14.0"
    glue_image: str = "public.ecr.aws/glue/aws-glue-libs:5"
    postgres_image: str = "postgres:18"
    glue_container_mode: Literal["warm", "per-run"] = "warm"
    glue_memory: str = "4g"
    lambda_executor: Literal["process", "docker"] = "process"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (signature of the base)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (signature of the base)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, CHECKOUT / "millpond.toml")
        return init_settings, env_settings, toml

    @cached_property
    def state(self) -> Path:
        return (self.state_dir or self.home / ("state" if self.tier == "embedded" else self.tier)).resolve()

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
    def account_id(self) -> str:
        return ACCOUNT_ID


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
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise MillpondError(
            f"The setting {name} is not acceptable: {first['msg']}.",
            where=f"MILLPOND_{name.upper()} in the environment, or {CHECKOUT / 'millpond.toml'}",
            next_step="correct it, then run the command again",
        ) from error
