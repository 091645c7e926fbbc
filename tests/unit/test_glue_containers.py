"""What a run in a container is given; the containers themselves are in tests/compose."""

from __future__ import annotations

from pathlib import Path

import pytest

from millpond.planes.glue.containers import ContainerSettings, Limits, limits_of, spark_submit
from millpond.planes.glue.jvms import JvmSpec
from millpond.planes.glue.modules import named_versions, unsatisfied
from millpond.planes.glue.spark import LocalSize


def test_runs_are_processes_unless_a_worker_is_named() -> None:
    assert ContainerSettings.from_environment({}) is None
    named = ContainerSettings.from_environment({"MILLPOND_GLUE_CONTAINER": "w"})
    assert named == ContainerSettings("w", "warm")


def test_a_mode_that_is_neither_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="lukewarm"):
        ContainerSettings.from_environment(
            {"MILLPOND_GLUE_CONTAINER": "w", "MILLPOND_GLUE_CONTAINER_MODE": "lukewarm"}
        )


def test_a_spark_container_has_room_beside_the_heap() -> None:
    limits = limits_of({"WorkerType": "G.1X"}, LocalSize(2, 2048), is_spark=True)
    assert limits == Limits(3072, 2.0)


@pytest.mark.parametrize(("capacity", "memory_mb"), [(0.0625, 1024), (1.0, 2048)])
def test_a_shell_container_has_the_memory_of_its_capacity_within_the_machine(capacity, memory_mb) -> None:
    limits = limits_of({"MaxCapacity": capacity}, LocalSize(2, 1024), is_spark=False)
    assert limits == Limits(memory_mb, 1.0)


def test_spark_submit_gets_what_acts_when_the_jvm_starts() -> None:
    spec = JvmSpec("2g", ("-Da=b c",), ("/x.jar", "/y.jar"), (("spark.jars.packages", "g:a:1"),))
    command = spark_submit(spec, Path("/run/tmp"))
    options = command[command.index("--driver-java-options") + 1]
    assert command[:3] == ["spark-submit", "--driver-memory", "2g"]
    assert "-Djava.io.tmpdir=/run/tmp" in options
    assert "'-Da=b c'" in options
    assert command[-4:] == ["--driver-class-path", "/x.jar:/y.jar", "--conf", "spark.jars.packages=g:a:1"]


def test_modules_that_the_worker_has_are_not_installed_again() -> None:
    installed = named_versions(["PyArrow==21.0.0", "psycopg==3.2.1"])
    assert unsatisfied(["pyarrow==21.0.0", "psycopg>=3.3", "duckdb"], installed) == ["psycopg>=3.3", "duckdb"]
