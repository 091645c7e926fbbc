"""The same sources give the same bytes, and Python can import what was built."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from millpond.config import CHECKOUT
from millpond.errors import MillpondError
from millpond.package import build, pinned_modules, to_wheel, to_zip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    files = {
        "glue_jobs/ingest_shell.py": "print('shell')",
        "glue_jobs/ingest/__init__.py": "",
        "glue_jobs/ingest/run.py": "ANSWER = 42",
        "glue_jobs/ingest/__pycache__/run.cpython-39.pyc": "machine dependent",
        "lambdas/plan/handler.py": "def handler(event, context): return event",
        "lambdas/shared/onprem.py": "SHARED = True",
        "lambdas/hello/handler.py": "def handler(event, context): return 'hello'",
        "requirements/glue-shell.in": "# shell jobs\npsycopg[binary]\n",
        "requirements/glue-shell.txt": (
            "psycopg==3.2.13 ; python_full_version < '3.10' \\\n    --hash=sha256:00\n    # via x\n"
            "psycopg==3.3.9 ; python_full_version >= '3.10' \\\n    --hash=sha256:11\n"
        ),
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    wheels = root / ".millpond" / "wheels"
    wheels.mkdir(parents=True)
    wheel = to_wheel({"vendored/__init__.py": b"ANSWER = 43"}, "vendored", "1.0")
    (wheels / "vendored-1.0-py3-none-any.whl").write_bytes(wheel)
    digest = hashlib.sha256(wheel).hexdigest()
    (root / "requirements/lambda-vendored.txt").write_text(
        f"vendored==1.0 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{digest}\n    # via x\n"
    )
    return root


def test_building_again_after_files_were_touched_gives_the_same_bytes(checkout: Path, tmp_path: Path) -> None:
    first = build(tmp_path / "first", checkout)
    for path in checkout.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o755)
    second = build(tmp_path / "second", checkout)

    assert first.files == second.files
    assert (tmp_path / "first/manifest.json").read_text() == (tmp_path / "second/manifest.json").read_text()


def test_manifest_holds_the_digest_of_every_file_that_was_built(checkout: Path, tmp_path: Path) -> None:
    build(tmp_path / "dist", checkout)

    manifest = json.loads((tmp_path / "dist/manifest.json").read_text())
    built = {
        path.relative_to(tmp_path / "dist").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "dist").rglob("*.*")
        if path.name != "manifest.json"
    }
    assert {name: digests["sha256"] for name, digests in manifest["files"].items()} == built
    assert set(built) == {
        "glue/ingest.zip",
        "glue/ingest_shell.py",
        "glue/millpond_ingest-0.1.0-py3-none-any.whl",
        "lambdas/hello.zip",
        "lambdas/plan.zip",
    }


def test_a_file_that_is_no_longer_a_source_leaves_the_output(checkout: Path, tmp_path: Path) -> None:
    build(tmp_path / "dist", checkout)
    (checkout / "lambdas/plan/handler.py").rename(checkout / "lambdas/plan/main.py")

    manifest = build(tmp_path / "dist", checkout)

    with zipfile.ZipFile(manifest.directory / "lambdas/plan.zip") as archive:
        assert {"main.py", "handler.py"} & set(archive.namelist()) == {"main.py"}


def test_a_function_brings_what_it_shares_and_the_locked_wheels(checkout: Path, tmp_path: Path) -> None:
    build(tmp_path / "dist", checkout)

    with zipfile.ZipFile(tmp_path / "dist/lambdas/plan.zip") as archive:
        assert archive.read("vendored/__init__.py") == b"ANSWER = 43"
        assert set(archive.namelist()) == {
            "handler.py",
            "onprem.py",
            "vendored/__init__.py",
            "vendored-1.0.dist-info/METADATA",
            "vendored-1.0.dist-info/WHEEL",
        }
    with zipfile.ZipFile(tmp_path / "dist/lambdas/hello.zip") as archive:
        assert archive.namelist() == ["handler.py"]


def test_a_wheel_that_is_not_the_locked_one_is_not_taken(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for wheel in (checkout / ".millpond/wheels").iterdir():
        wheel.write_bytes(to_wheel({"vendored/__init__.py": b"ANSWER = 666"}, "vendored", "1.0"))

    with pytest.raises(MillpondError, match="pip could not download"):
        build(tmp_path / "dist", checkout)

    other = tmp_path / "others"
    other.mkdir()
    wheel = to_wheel({"vendored/__init__.py": b"ANSWER = 43"}, "vendored", "1.0")
    (other / "vendored-1.0-py3-none-any.whl").write_bytes(wheel)
    monkeypatch.setenv("PIP_FIND_LINKS", str(other))
    assert "lambdas/plan.zip" in build(tmp_path / "dist", checkout).files


@pytest.mark.parametrize("engine", ["spark", "shell"])
def test_the_library_is_importable_from_the_archive_and_holds_no_bytecode(
    engine: str, checkout: Path, tmp_path: Path
) -> None:
    manifest = build(tmp_path / "dist", checkout)
    archive = manifest.directory / manifest.libraries[engine]

    answer = subprocess.run(
        [sys.executable, "-c", "import ingest.run; print(ingest.run.ANSWER)"],
        env={"PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "42\n"
    assert not [name for name in zipfile.ZipFile(archive).namelist() if name.endswith(".pyc")]


def test_a_wheel_records_the_hash_and_size_of_each_of_its_files(tmp_path: Path) -> None:
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(to_wheel({"demo.py": b"x = 1"}, "demo", "1.0"))

    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read("demo-1.0.dist-info/RECORD").decode().splitlines()
        recorded = dict(line.split(",", 1) for line in lines)
        assert set(recorded) == set(archive.namelist())
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1").digest()).rstrip(b"=").decode()
        assert recorded["demo.py"] == f"sha256={digest},5"


def test_a_zip_does_not_depend_on_the_order_of_its_files() -> None:
    assert to_zip({"b": b"2", "a": b"1"}) == to_zip({"a": b"1", "b": b"2"})


def test_modules_are_pinned_to_the_versions_for_the_python_they_run_on(checkout: Path) -> None:
    requirements = checkout / "requirements/glue-shell"

    assert pinned_modules(requirements, "3.9") == ("psycopg[binary]==3.2.13",)
    assert pinned_modules(requirements, "3.11") == ("psycopg[binary]==3.3.9",)


def test_a_module_that_is_not_locked_is_named(checkout: Path) -> None:
    (checkout / "requirements/glue-shell.in").write_text("polars\n")

    with pytest.raises(MillpondError, match=r"polars is not locked for Python 3\.9"):
        pinned_modules(checkout / "requirements/glue-shell", "3.9")


def test_a_checkout_without_job_scripts_is_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "glue_jobs/ingest_shell.py").unlink()

    with pytest.raises(MillpondError, match="no job script"):
        build(tmp_path / "dist", checkout)


def test_this_checkout_packages_both_jobs_and_every_lambda(tmp_path: Path) -> None:
    manifest = build(tmp_path / "dist", CHECKOUT)

    assert {"glue/ingest_spark.py", "glue/ingest_shell.py", "lambdas/plan.zip"} <= set(manifest.files)
    assert all("==" in module for module in manifest.shell_modules)


def test_the_build_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    answer = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(CHECKOUT)!r});"
            "import runpy; runpy.run_module('millpond.package', run_name='__main__', alter_sys=True)",
            str(tmp_path / "dist"),
        ],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    lines = dict(reversed(line.split("  ")) for line in answer.stdout.splitlines())
    assert (
        lines["lambdas/plan.zip"]
        == hashlib.sha256((tmp_path / "dist/lambdas/plan.zip").read_bytes()).hexdigest()
    )


def test_a_marker_that_nobody_foresaw_is_refused(checkout: Path) -> None:
    lock = checkout / "requirements/glue-shell.txt"
    lock.write_text("psycopg==3.2.13 ; platform_release == '6' or python_full_version >= '3.10'\n")

    with pytest.raises(MillpondError, match="marker"):
        pinned_modules(checkout / "requirements/glue-shell", "3.9")
