"""The tests in ``tests/awsglue``, which need PySpark: run by the Spark environment's own interpreter."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_fixtures import RunningEngine
from onprem_fixtures import running_database
from ports import free_port

from millpond.base.config import CHECKOUT, Settings, load_settings
from millpond.planes.common.context import Tools
from millpond.stack.onprem import ADMIN

TESTS = CHECKOUT / "tests" / "awsglue"
# Of pure Python, so that the Spark environment, which has no tools of tests, can use the harness's.
BORROWED = ("_pytest", "iniconfig", "packaging", "pluggy", "py", "pygments", "pytest")
SECONDS = 1500


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, running_engine: RunningEngine
) -> Iterator[dict[str, dict[str, str]]]:
    """What failed in each file, by test; files in one run, which shares its JVM."""
    tools_file = load_settings().home / "tools.json"
    assert tools_file.exists(), "the toolchain is not installed: run `millpond doctor`"
    tools = Tools.from_json(tools_file.read_text())
    directory = tmp_path_factory.mktemp("awsglue")
    onprem = Settings(state_dir=directory / "onprem", onprem_port=free_port())
    with running_database(onprem) as database:
        database.provision(sets_password=True)
        report = directory / "report.xml"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "TZ": "UTC",
            "JAVA_HOME": str(tools.java_home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_SUBMIT_OPTS": os.environ["MILLPOND_GLUE_JVM_OPTIONS"],
            "PYSPARK_PYTHON": str(tools.spark_python),
            "PYTHONPATH": os.pathsep.join([str(tools.glue_runtime), str(borrowed(directory))]),
            "MILLPOND_TEST_CLASS_PATH": f"{tools.jars_dir}/*",
            "AWS_ENDPOINT_URL": running_engine.settings.endpoint_url,
            "AWS_DEFAULT_REGION": running_engine.settings.region,
            "AWS_ACCESS_KEY_ID": running_engine.settings.account_id,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "MILLPOND_TEST_JDBC_URL": f"jdbc:postgresql://127.0.0.1:{database.port}/{database.database}",
            "MILLPOND_TEST_JDBC_USER": ADMIN,
            "MILLPOND_TEST_JDBC_PASSWORD": database.admin_password_file().read_text(),
        }
        done = subprocess.run(
            [str(tools.spark_python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
            + [f"--junitxml={report}", f"--rootdir={TESTS}", f"--confcutdir={TESTS}"]
            + ["-c", os.devnull, str(TESTS)],
            env=environment,
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert report.exists(), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        yield failures(report)


def borrowed(directory: Path) -> Path:
    """A directory with the packages of the harness that the tests need, and no others."""
    links = directory / "borrowed"
    links.mkdir()
    for name in BORROWED:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            found = origin.parent if origin.name == "__init__.py" else origin
            (links / found.name).symlink_to(found)
    return links


def failures(report: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for case in ET.parse(report).iter("testcase"):
        of_file = found.setdefault(case.get("classname", "").split(".")[-1], {})
        problem = next((one for one in case if one.tag in ("failure", "error", "skipped")), None)
        if problem is not None:
            of_file[case.get("name", "")] = f"{problem.get('message', '')}\n{problem.text or ''}"
    return found


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("name", sorted(path.stem for path in TESTS.glob("test_*.py")))
def test_awsglue(results: dict[str, dict[str, str]], name: str) -> None:
    assert name in results, f"no test of {name} was run"
    assert not results[name], json.dumps(results[name], indent=1)
