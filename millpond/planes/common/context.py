"""What every plane needs to know of the machine and the stack it serves."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

from botocore.session import Session


@dataclass(frozen=True)
class Tools:
    """Programs and libraries that the planes run, as ``millpond doctor`` found or installed them.

    Parameters
    ----------
    java_home : Path
        Java 17.
    spark_python : Path
        Interpreter (3.11) with PySpark 3.5.6: what Spark jobs run on.
    shell_python : Path
        Interpreter (3.9, or the nearest there is) that Python shell jobs run on.
    harness_python : Path
        Interpreter (3.13) of the harness and the engine.
    jars_dir : Path
        Directory of the jars that Spark jobs see: S3A with its SDK, the PostgreSQL JDBC driver. Below it, one
        for each table format, those of jobs that ask for it.
    glue_runtime : Path
        Directory that goes on the ``PYTHONPATH`` of every Glue job; it holds ``awsglue``.
    lambda_python : dict of str to Path
        Lambda runtime name, for example ``python3.13``, to the interpreter that runs it.
    terraform : Path, optional
        Terraform or OpenTofu, for builds that run it.
    terraform_mirror : Path, optional
        Directory that its providers are taken from; None for its registry.
    wheels : Path, optional
        Directory of the wheels that packaging functions and jobs takes; None for the package index.
    """

    java_home: Path
    spark_python: Path
    shell_python: Path
    harness_python: Path
    jars_dir: Path
    glue_runtime: Path
    lambda_python: Mapping[str, Path]
    terraform: Path | None = None
    terraform_mirror: Path | None = None
    wheels: Path | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str, indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Tools:
        content = json.loads(text)
        runtimes = {name: Path(path) for name, path in content.pop("lambda_python").items()}
        paths = {f.name: Path(content[f.name]) for f in fields(cls) if content.get(f.name)}
        return cls(**paths, lambda_python=runtimes)


@cache
def _partition(region: str) -> str:
    partition: str = Session().get_partition_for_region(region)
    return partition


@dataclass(frozen=True)
class PlaneContext:
    """The stack a plane serves.

    Parameters
    ----------
    endpoint_url : str
        Address of the AWS API, for example ``http://127.0.0.1:4566``.
    region, account_id : str
        Region and account: of the stack those that it has unless a caller says others, of a plane its own.
    state_dir : Path
        Below it each plane keeps its files, in a directory of its own (``state_dir/glue`` …);
        pid files of every child go below ``state_dir/pids``.
    tools : Tools
        What to run.
    """

    endpoint_url: str
    region: str
    account_id: str
    state_dir: Path
    tools: Tools

    @property
    def pid_dir(self) -> Path:
        return self.state_dir / "pids"

    @property
    def partition(self) -> str:
        """What the region's ARNs begin with, for example ``aws-cn``."""
        return _partition(self.region)

    def arn(self, service: str, resource: str) -> str:
        """ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def at(self, account_id: str, region: str) -> PlaneContext:
        """The same stack in another account and region."""
        return replace(self, account_id=account_id, region=region)

    def to_environment(self, tools_file: Path) -> dict[str, str]:
        """The variables from which :meth:`from_environment` makes the same context."""
        return {
            "MILLPOND_PLANE_ENDPOINT_URL": self.endpoint_url,
            "MILLPOND_PLANE_REGION": self.region,
            "MILLPOND_PLANE_ACCOUNT_ID": self.account_id,
            "MILLPOND_PLANE_STATE_DIR": str(self.state_dir),
            "MILLPOND_PLANE_TOOLS": str(tools_file),
        }

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> PlaneContext:
        """Read the context that the harness gave to the engine process.

        Raises
        ------
        KeyError
            If a variable is missing: the engine was not started by the harness.
        """
        env = os.environ if environment is None else environment
        return cls(
            endpoint_url=env["MILLPOND_PLANE_ENDPOINT_URL"],
            region=env["MILLPOND_PLANE_REGION"],
            account_id=env["MILLPOND_PLANE_ACCOUNT_ID"],
            state_dir=Path(env["MILLPOND_PLANE_STATE_DIR"]),
            tools=Tools.from_json(Path(env["MILLPOND_PLANE_TOOLS"]).read_text()),
        )
