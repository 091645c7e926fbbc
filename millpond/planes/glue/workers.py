"""What executes scripts: shared by every account and region, since it is one machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from millpond.base import process
from millpond.base.places import default_cache
from millpond.planes.common.context import PlaneContext
from millpond.planes.glue import spark
from millpond.planes.glue.containers import ContainerSettings, ContainerWorkers
from millpond.planes.glue.environments import Environments
from millpond.planes.glue.jvms import JvmPool, jvm_options
from millpond.planes.glue.staging import runs_directory

CACHE = default_cache()
"""Where environments of Glue versions are, unless told: one for all stacks of a user."""


@dataclass(frozen=True)
class GlueSettings:
    """What can be set of the plane.

    Parameters
    ----------
    warm_jvms : int
        How many JVMs wait for a Spark run; 0 for none.
    jvm_options : tuple of str
        What each JVM is started with besides.
    seconds_per_timeout_minute : float
        How many seconds a minute of a job's ``Timeout`` lasts.
    containers : ContainerSettings, optional
        Where scripts are executed, if not as processes here.
    versions : mapping of str to str
        Glue versions whose jobs run on another one's environment.
    cache : Path
        Where the environments of Glue versions are.
    maven_mirror : str
        Maven repository that stands in for Maven Central; empty for that itself.
    keep_run_folders : bool
        Whether what a run had on disk stays when it has ended.
    master : str
        ``spark.master`` of every run: ``local-cluster``, or the address of one; empty for threads of one JVM.
    """

    warm_jvms: int = 1
    jvm_options: tuple[str, ...] = ()
    seconds_per_timeout_minute: float = 60.0
    containers: ContainerSettings | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    cache: Path = CACHE
    maven_mirror: str = ""
    keep_run_folders: bool = False
    master: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> GlueSettings:
        """Read ``MILLPOND_GLUE_…``, and what names a container; what is not set has its default."""
        env = os.environ if environment is None else environment
        return cls(
            warm_jvms=int(env.get("MILLPOND_GLUE_WARM_JVMS", cls.warm_jvms)),
            jvm_options=jvm_options(env),
            containers=ContainerSettings.from_environment(env),
            versions=json.loads(env.get("MILLPOND_GLUE_VERSIONS", "{}")),
            cache=Path(env.get("MILLPOND_GLUE_CACHE", CACHE)),
            maven_mirror=env.get("MILLPOND_MAVEN_MIRROR", ""),
            keep_run_folders=env.get("MILLPOND_KEEP_RUN_FOLDERS", "") == "1",
            master=env.get("MILLPOND_GLUE_MASTER", ""),
        )


class Workers:
    """The JVMs and the containers of runs.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    settings : GlueSettings, optional
        Read from the environment unless given.
    iam_mode : callable
        Whether roles and networks are judged, and in force: ``off``, ``audit`` or ``enforce``.
    """

    def __init__(
        self,
        context: PlaneContext,
        settings: GlueSettings | None = None,
        iam_mode: Callable[[], str] = lambda: "off",
    ) -> None:
        self.settings = settings or GlueSettings.from_environment()
        self.iam_mode = iam_mode
        for left_over in process.find_all(context.pid_dir / "glue"):
            left_over.stop()
        if not self.settings.keep_run_folders:
            # Those of an engine that was killed.
            shutil.rmtree(runs_directory(context), ignore_errors=True)
        where = self.settings.containers
        self.containers = ContainerWorkers(context, where) if where else None
        # A worker's container has JVMs of its own.
        self.jvms = JvmPool(
            context, 0 if where else self.settings.warm_jvms, self.settings.jvm_options, self.settings.cache
        )
        self.environments = Environments(context.tools, self.settings.cache, self.settings.maven_mirror)

    def local_size(self, settings: Mapping[str, object]) -> spark.LocalSize:
        """Cores and heap that worker settings mean where scripts are executed."""
        if self.containers is not None:
            return self.containers.local_size(settings)
        return spark.local_size(settings, os.cpu_count() or 1, psutil.virtual_memory().total)

    def close(self) -> None:
        """Stop every JVM that waits."""
        self.jvms.close()
