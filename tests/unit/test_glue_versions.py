"""What a Glue version brings, and how it is fetched."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from millpond.base.errors import MillpondError
from millpond.planes.common.context import Tools
from millpond.planes.glue import environments, spark, versions
from millpond.planes.glue.arguments import parse
from millpond.planes.glue.environments import Environment, Environments, Stopped
from millpond.planes.glue.exceptions import InvalidInputException, LaunchError
from millpond.planes.glue.versions import VERSIONS
from millpond.toolchain import bootstrap, glue, maven, runtimes
from millpond.toolchain.ivy import Ivy


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_everything_that_a_version_names_is_locked(version: versions.GlueVersion) -> None:
    locked = maven.read_lock()
    named = version.sets(version.formats, version.uses)
    assert set(named) <= set(locked)
    assert all(
        one.size and re.fullmatch("[0-9a-f]{64}", one.sha256) for name in named for one in locked[name]
    )
    is_own = version.name != environments.INSTALLED
    lock = (glue.lock_of(version) if is_own else bootstrap.REQUIREMENTS / "glue-spark.txt").read_text()
    assert f"\npyspark=={version.spark} " in f"\n{lock}"


def test_the_lock_of_jars_is_that_of_what_is_asked_for() -> None:
    asked = [
        (one.set_name, one.coordinates) for found in maven.read_lock(maven.WANTED).values() for one in found
    ]
    locked = [(one.set_name, one.coordinates) for found in maven.read_lock().values() for one in found]
    assert asked == locked


@pytest.mark.parametrize(
    ("name", "mapped", "runs_on", "said"),
    [
        ("5.1", {}, "5.1", ""),
        ("3.0", {}, "4.0", "THIS JOB IS OF GLUE 3.0, WHICH IS NOT AVAILABLE"),
        ("0.9", {}, "4.0", "with the properties that make Spark 3 answer as Spark 2: what else differs"),
        ("auto", {}, "6.0", "auto runs on the newest version here: Glue 6.0 (Spark 4.1.1, Python 3.13)"),
        ("4.0", {"4.0": "6.0"}, "6.0", "by the setting glue.versions it runs on Glue 6.0"),
    ],
)
def test_a_job_runs_on_its_version_or_its_log_says_on_which(
    name: str, mapped: dict[str, str], runs_on: str, said: str
) -> None:
    version, warning = versions.resolve(name, mapped)
    assert version.name == runs_on
    assert said in warning
    assert bool(said) == bool(warning)


def test_a_version_that_glue_does_not_have_is_refused() -> None:
    with pytest.raises(
        InvalidInputException, match=r"GlueVersion 7\.0 is not supported: use one of 6\.0, 5\.1"
    ):
        versions.check("7.0")
    with pytest.raises(LaunchError, match=r"maps Glue 4\.0 to 9\.9, which is not available"):
        versions.resolve("4.0", {"4.0": "9.9"})


def test_a_table_format_that_a_version_does_not_have_is_refused_by_name() -> None:
    spark.check_supported(VERSIONS["5.1"], parse({"--datalake-formats": "iceberg,delta,hudi"}))
    with pytest.raises(
        LaunchError, match=r"hudi is not available in Millpond for Glue 6\.0, which has iceberg, delta"
    ):
        spark.check_supported(VERSIONS["6.0"], parse({"--datalake-formats": "hudi"}))


def test_only_the_jars_that_a_run_needs_are_on_its_path() -> None:
    version = VERSIONS["4.0"]
    assert version.sets() == ("s3a-3.3.2", "sdk-1", "postgresql", "avro-4.0")
    assert version.sets(["iceberg"], ["kafka"])[4:] == ("iceberg-4.0", "sdk-2", "kafka-4.0")


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ('spark.read.format("kafka")', ("kafka",)),
        ('connection_type="mysql"', ("mysql",)),
        ("jdbc:sqlserver://h:1433", ("sqlserver",)),
        ('spark.read.format("com.databricks.spark.xml")', ("xml",)),
        ("spark.read.parquet('s3://b/mysqldump')", ()),
    ],
)
def test_what_a_script_uses_is_found_in_its_text(text: str, uses: tuple[str, ...]) -> None:
    assert versions.uses_in([text]) == uses


def test_sources_are_those_of_modules_and_of_what_is_zipped(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import a")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("b/c.py", "import c")
        archive.writestr("b/data.bin", "no source")
    assert versions.sources([tmp_path / "a.py", tmp_path / "b.zip"]) == ["import a", "import c"]


class FakeIvy(Ivy):
    """Brings files of a content."""

    def retrieve(self, wanted, directory):  # type: ignore[no-untyped-def]
        for one in wanted:
            (directory / one.file_name).write_bytes(b"jar")


def test_a_jar_is_taken_only_if_it_is_the_locked_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = maven.Artifact("set", "g", "a", "1", 3, hashlib.sha256(b"jar").hexdigest())
    monkeypatch.setattr(maven, "read_lock", lambda: {"set": (one,)})
    said: list[str] = []
    ivy = FakeIvy(Path("java"), tmp_path)
    maven.fetch(["set"], tmp_path, ivy, said.append)
    maven.fetch(["set"], tmp_path, ivy, said.append)
    assert [jar.read_bytes() for jar in maven.jars_of(["set"], tmp_path)] == [b"jar"]
    assert said == ["fetching the jars of set from the Maven repository: 1 files, 0.0 MB"]
    monkeypatch.setattr(
        maven, "read_lock", lambda: {"other": (replace(one, set_name="other", sha256="0" * 64),)}
    )
    with pytest.raises(MillpondError, match="is not the file that was locked"):
        maven.fetch(["other"], tmp_path, ivy, said.append)
    assert not (tmp_path / "other").exists()


def tools(tmp_path: Path, installer: str) -> Tools:
    """A toolchain whose Python is a program of the shell."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{installer}\n")
    python.chmod(0o755)
    (tmp_path / "jars" / "iceberg").mkdir(parents=True)
    for name in ("s3a.jar", "iceberg/ice.jar"):
        (tmp_path / "jars" / name).touch()
    return Tools(tmp_path, python, python, python, tmp_path / "jars", tmp_path, {})


def test_the_installed_version_needs_nothing_to_be_made(tmp_path: Path) -> None:
    known = Environments(tools(tmp_path, "exit 1"), tmp_path / "cache")
    found = known.of(VERSIONS["5.1"], (), ("iceberg",), modules="", log=tmp_path / "log", wait=lambda _: None)
    assert [jar.name for jar in found.jars] == ["s3a.jar", "ice.jar"]
    assert known.ready(VERSIONS["5.1"], (), ()) is not None
    assert known.ready(VERSIONS["6.0"], ("avro-6.0",), ()) is None


def test_another_version_is_made_once_and_its_log_tells_of_it(tmp_path: Path) -> None:
    answer = json.dumps({"python": "/p", "jars": ["/a.jar"], "modules": ""})
    made = tmp_path / "made"
    installer = f"echo making >&2; echo x >> {made}; echo '{answer}'"
    known = Environments(tools(tmp_path, installer), tmp_path / "cache")
    for _ in range(2):
        found = known.of(
            VERSIONS["6.0"], ("avro-6.0",), (), modules="", log=tmp_path / "log", wait=lambda _: None
        )
        assert (found.python, found.jars) == (Path("/p"), (Path("/a.jar"),))
    assert (made.read_text(), (tmp_path / "log").read_text()) == ("x\n", "making\n")
    assert known.ready(VERSIONS["6.0"], ("avro-6.0",), ()) is not None


def test_what_cannot_be_made_ends_the_run_with_the_reason_and_is_tried_again(tmp_path: Path) -> None:
    known = Environments(tools(tmp_path, """echo '{"error": "no network"}'; exit 1"""), tmp_path / "cache")
    for _ in range(2):
        with pytest.raises(LaunchError, match="could not be had: no network"):
            known.of(VERSIONS["6.0"], (), (), modules="", log=tmp_path / "log", wait=lambda _: None)


def test_a_run_that_is_stopped_does_not_wait_for_its_environment(tmp_path: Path) -> None:
    def wait(_: float) -> None:
        raise Stopped

    known = Environments(tools(tmp_path, "sleep 60"), tmp_path / "cache")
    with pytest.raises(Stopped):
        known.of(VERSIONS["6.0"], (), (), modules="", log=tmp_path / "log", wait=wait)


def test_an_installer_in_the_engine_has_what_the_person_has() -> None:
    person = {
        "HTTPS_PROXY": "http://proxy",
        "PIP_INDEX_URL": "https://own",
        "HOME": "/home/x",
        "PATH": "/bin",
    }
    engine = {
        environments.HANDED_ON: json.dumps(person),
        "HOME": "/engine",
        "PATH": "/other",
        "AWS_SECRET": "s",
    }
    given = environments.installer_environment(engine)
    assert {name: given.get(name) for name in (*person, "AWS_SECRET")} == {**person, "AWS_SECRET": None}
    assert environments.HANDED_ON == runtimes.ENVIRONMENT


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("import boto3, json\nfrom pyspark.sql import functions", False),
        ("# requests are counted\nimport sys", False),
        ("import numpy as np", True),
        ("def f():\n    from sklearn import svm", True),
        ("frame.toPandas()", True),
        ("from pyspark.ml.feature import VectorAssembler", True),
        ("print 'Python 2'\nimport requests", True),
    ],
)
def test_the_modules_that_glue_provides_are_there_for_a_script_that_imports_one(
    source: str, wanted: bool
) -> None:
    assert versions.wants_modules([source]) is wanted


@pytest.mark.parametrize("name", [*(f"glue-{name}-modules" for name in VERSIONS), "glue-shell-analytics"])
def test_every_set_of_modules_is_locked_at_what_is_asked_for(name: str) -> None:
    asked, locked = (
        {canonicalize_name(found[0]): found[1] for found in re.findall(r"(?m)^([\w.-]+)==([^ \\\n;]+)", text)}
        for text in ((bootstrap.REQUIREMENTS / f"{name}.{kind}").read_text() for kind in ("in", "txt"))
    )
    assert asked
    assert asked.items() <= locked.items()


def test_what_is_said_to_pip_is_said_to_uv() -> None:
    person = {"PIP_INDEX_URL": "https://own", "PIP_FIND_LINKS": "/a /b", "REQUESTS_CA_BUNDLE": "/ca.pem"}
    said = environments.installer_environment(person)
    told = (said["UV_DEFAULT_INDEX"], said["UV_FIND_LINKS"], said["SSL_CERT_FILE"])
    assert told == ("https://own", "/a,/b", "/ca.pem")
    own = {"UV_DEFAULT_INDEX": "mine", "PIP_INDEX_URL": "other"}
    assert environments.installer_environment(own)["UV_DEFAULT_INDEX"] == "mine"


def test_the_set_of_libraries_is_one_of_two() -> None:
    assert (parse({}).library_set, parse({"--library-set": "analytics"}).library_set) == ("none", "analytics")
    with pytest.raises(LaunchError, match="--library-set: pandas is not analytics or none"):
        parse({"--library-set": "pandas"})


def test_jars_that_hold_python_modules_are_among_the_libraries() -> None:
    jars = tuple(map(Path, ("a/delta-spark_2.12-3.3.2.jar", "a/delta-storage-3.3.2.jar", "b/x.jar")))
    environment = Environment(versions.VERSIONS["5.1"], Path("python"), jars)
    assert environment.libraries == jars[:1]


@pytest.mark.parametrize(
    ("name", "mapped", "expected"),
    [
        ("2.0", {}, "LEGACY"),
        ("0.9", {}, "LEGACY"),
        ("3.0", {}, None),
        ("4.0", {}, None),
        ("2.0", {"2.0": "4.0"}, None),
    ],
)
def test_a_job_of_spark_2_has_the_properties_that_answer_as_spark_2(
    name: str, mapped: dict[str, str], expected: str | None
) -> None:
    assert versions.properties_of(name, mapped).get("spark.sql.legacy.timeParserPolicy") == expected
