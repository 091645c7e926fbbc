"""The same sources give the same bytes, and Python can import what was built."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lake.package import FUNCTIONS, build, to_wheel, to_zip
from millpond.base.config import CHECKOUT, Settings
from millpond.base.errors import MillpondError
from millpond.toolchain.bootstrap import find_pip
from millpond.toolchain.wheels import (
    GLUE_SHELL,
    LAMBDA,
    Target,
    keep_wheels,
    kept_wheels,
    record_line,
    without_requirements,
)

VENDORED_WHEEL = "vendored-1.0-py3-none-any.whl"
NATIVE_WHEEL = "native-1.0-cp39-cp39-manylinux2014_x86_64.whl"
PIP = find_pip(Settings().home)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    files = {
        "glue_jobs/ingest_shell.py": "print('shell')",
        **{f"glue_jobs/ingest/{name}": "" for name in FUNCTIONS["plan"].library},
        "glue_jobs/ingest/run.py": "ANSWER = 42",
        "glue_jobs/ingest/__pycache__/run.cpython-39.pyc": "machine dependent",
        "lambdas/plan/handler.py": "def handler(event, context): return event",
        "lambdas/shared/onprem.py": "SHARED = True",
        "lambdas/hello/handler.py": "def handler(event, context): return 'hello'",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "requirements").mkdir()
    wheel = to_wheel({"vendored/__init__.py": b"ANSWER = 43"}, "vendored", "1.0")
    lock_and_keep(root, "lambda-vendored", VENDORED_WHEEL, wheel)
    lock_and_keep(root, "glue-shell-3.9", NATIVE_WHEEL, needing_wheel("native", "1.0", "vendored>=2"))
    return root


def lock_and_keep(checkout: Path, name: str, filename: str, wheel: bytes) -> None:
    """Lock a wheel, and put it where the build looks for it."""
    lock = checkout / f"requirements/{name}.txt"
    write_lock(lock, filename, wheel)
    keep(lock, filename, wheel)


def write_lock(lock: Path, filename: str, *wheels: bytes) -> None:
    name, version = filename.split("-")[:2]
    digests = ["0" * 64, *(hashlib.sha256(wheel).hexdigest() for wheel in wheels)]
    lock.write_text(
        " \\\n".join([f"{name}=={version}", *(f"    --hash=sha256:{one}" for one in digests)]) + "\n"
    )


def keep(lock: Path, filename: str, wheel: bytes) -> None:
    directory = kept_wheels(lock, lock.parent.parent / ".millpond/wheels")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / filename).write_bytes(wheel)


def needing_wheel(distribution: str, version: str, requirement: str) -> bytes:
    """A wheel that asks for another distribution."""
    plain = io.BytesIO(to_wheel({f"{distribution}.py": b"ANSWER = 44"}, distribution, version))
    with zipfile.ZipFile(plain) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    metadata = f"{distribution}-{version}.dist-info/METADATA"
    files[metadata] += f"Requires-Dist: {requirement}\n".encode()
    return to_zip(files)


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
        *manifest["modules"]["shell"],
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
            *(f"ingest/{name}" for name in FUNCTIONS["plan"].library),
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
    lock = checkout / "requirements/lambda-vendored.txt"
    other = to_wheel({"vendored/__init__.py": b"ANSWER = 666"}, "vendored", "1.0")
    keep(lock, VENDORED_WHEEL, other)
    with pytest.raises(MillpondError, match=r"is not the wheel that lambda-vendored\.txt locks"):
        build(tmp_path / "dist", checkout)

    shutil.rmtree(checkout / ".millpond")
    others = tmp_path / "others"
    others.mkdir()
    (others / VENDORED_WHEEL).write_bytes(other)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(others))
    with pytest.raises(MillpondError, match="pip could not download"):
        keep_wheels(lock, LAMBDA, tmp_path / "kept", PIP)

    write_lock(lock, VENDORED_WHEEL, other)
    assert keep_wheels(lock, LAMBDA, tmp_path / "kept", PIP) == 1
    before = kept_wheels(lock, tmp_path / "kept")
    write_lock(lock, VENDORED_WHEEL, other, b"another hash")
    assert keep_wheels(lock, LAMBDA, tmp_path / "kept", PIP) == 1
    assert not before.exists()


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


def test_the_shell_job_brings_its_locked_wheels_below_a_key_of_the_set(
    checkout: Path, tmp_path: Path
) -> None:
    (key,) = build(tmp_path / "first", checkout).modules["shell"]
    folder, name = key.rsplit("/", 1)
    assert name == NATIVE_WHEEL

    lock_and_keep(
        checkout, "glue-shell-3.9", NATIVE_WHEEL, to_wheel({"native.py": b"ANSWER = 45"}, "native", "1.0")
    )
    (other,) = build(tmp_path / "third", checkout).modules["shell"]
    assert other.endswith(f"/{name}")
    assert not other.startswith(folder)


def test_pip_installs_a_wheel_without_the_wheels_that_it_asked_for(tmp_path: Path) -> None:
    wheel = tmp_path / "needing-1.0-py3-none-any.whl"
    wheel.write_bytes(needing_wheel("needing", "1.0", "absent>=2"))
    refused = pip_install(wheel, tmp_path / "refused")
    assert "absent>=2" in refused.stderr

    wheel.write_bytes(without_requirements(wheel.read_bytes()))
    assert pip_install(wheel, tmp_path / "installed").returncode == 0
    assert (tmp_path / "installed/needing.py").read_text() == "ANSWER = 44"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        recorded = archive.read("needing-1.0.dist-info/RECORD").decode().split()
        for name in ("needing.py", "needing-1.0.dist-info/METADATA"):
            assert record_line(name, archive.read(name)) in recorded
        assert len({line.split(",")[0] for line in recorded}) == len(recorded) == len(archive.namelist())


def pip_install(wheel: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [*PIP, "install", "--no-index", "--target", str(target), str(wheel)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("target", "tags", "fits"),
    [
        (GLUE_SHELL, "cp39-cp39-manylinux2014_x86_64.manylinux_2_17_x86_64", True),
        (GLUE_SHELL, "cp39-cp39-manylinux_2_28_x86_64", False),
        (LAMBDA, "cp313-cp313-manylinux2014_x86_64", False),
    ],
)
def test_wheels_are_for_the_python_and_the_glibc_of_who_runs_them(
    target: Target, tags: str, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"native-1.0-{tags}.whl"
    wheel = to_wheel({"native.py": b""}, "native", "1.0")
    (tmp_path / name).write_bytes(wheel)
    write_lock(tmp_path / "some.txt", name, wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    if fits:
        assert keep_wheels(tmp_path / "some.txt", target, tmp_path / "kept", PIP) == 1
    else:
        with pytest.raises(MillpondError, match="pip could not download"):
            keep_wheels(tmp_path / "some.txt", target, tmp_path / "kept", PIP)


def test_a_checkout_without_job_scripts_is_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "glue_jobs/ingest_shell.py").unlink()

    with pytest.raises(MillpondError, match="no job script"):
        build(tmp_path / "dist", checkout)


def test_this_checkout_packages_both_jobs_and_every_lambda(tmp_path: Path) -> None:
    manifest = build(tmp_path / "dist", CHECKOUT)

    assert {"glue/ingest_spark.py", "glue/ingest_shell.py", "lambdas/plan.zip"} <= set(manifest.files)
    assert manifest.modules["spark"] == ()
    names = [key.rsplit("/", 1)[-1].split("-")[0] for key in manifest.modules["shell"]]
    assert {"pyarrow", "psycopg_binary", "adbc_driver_postgresql", "pyiceberg", "boto3"} <= set(names)
    assert set(manifest.modules["shell"]) <= set(manifest.files)


def test_the_build_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    answer = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(CHECKOUT)!r});"
            "import runpy; runpy.run_module('lake.package', run_name='__main__', alter_sys=True)",
            str(tmp_path / "dist"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    lines = dict(reversed(line.split("  ")) for line in answer.stdout.splitlines())
    assert (
        lines["lambdas/plan.zip"]
        == hashlib.sha256((tmp_path / "dist/lambdas/plan.zip").read_bytes()).hexdigest()
    )
