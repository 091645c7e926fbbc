from __future__ import annotations

import hashlib
import http.server
import io
import os
import shutil
import subprocess
import threading
import zipfile
from functools import partial
from pathlib import Path

import pytest

from millpond.base.config import CHECKOUT, Settings
from millpond.base.errors import MillpondError
from millpond.toolchain import bootstrap, jars
from millpond.toolchain import components as toolchain


def program(path: Path, output: str, *, stderr: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'EOF'{' >&2' if stderr else ''}\n{output}\nEOF\n")
    path.chmod(0o755)
    return path


def test_java_11_is_passed_over_for_a_java_17(tmp_path, monkeypatch):
    program(tmp_path / "old" / "bin" / "java", 'openjdk version "11.0.2" 2019-01-15', stderr=True)
    program(tmp_path / "home" / "java" / "bin" / "java", 'openjdk version "17.0.9" 2023-10-17', stderr=True)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    settings = Settings(home=tmp_path / "home")
    monkeypatch.setattr(
        toolchain, "_java_homes", lambda s: iter([Path(os.environ["JAVA_HOME"]), s.home / "java"])
    )
    java = toolchain.find_java(settings)
    assert java.path == tmp_path / "home" / "java"
    assert java.version == "17.0.9"


def test_terraform_below_the_minimum_is_not_used(tmp_path, monkeypatch):
    old = program(tmp_path / "terraform", '{"terraform_version": "1.5.7"}')
    new = program(tmp_path / "tofu", '{"terraform_version": "1.10.2"}')
    monkeypatch.setattr(toolchain, "_terraform_candidates", lambda own: iter([old, new]))
    assert toolchain.find_terraform(Settings(home=tmp_path)).path == new


def test_a_script_of_a_version_manager_is_not_what_a_container_is_given(tmp_path, monkeypatch):
    script = program(tmp_path / "terraform", '{"terraform_version": "1.11.4"}')
    own = program(tmp_path / "terraform-releases" / "terraform", "")
    monkeypatch.setattr(toolchain, "_terraform_candidates", lambda _own: iter([script]))
    monkeypatch.setattr(toolchain, "download_terraform", lambda target, _: own.rename(target))
    settings = Settings(home=tmp_path / "home")
    (settings.home / "terraform" / toolchain.TERRAFORM_VERSION).mkdir(parents=True)
    terraform, _ = toolchain.find_deployer(settings)
    assert terraform == settings.home / "terraform" / toolchain.TERRAFORM_VERSION / "terraform"


def test_a_program_is_given_to_a_container_by_its_own_name(tmp_path, monkeypatch):
    link = tmp_path / "terraform"
    link.symlink_to(shutil.which("true"))
    monkeypatch.setattr(toolchain, "_terraform_candidates", lambda _own: iter([link]))
    monkeypatch.setattr(toolchain, "terraform_version", lambda _: "1.11.4")
    assert toolchain.find_deployer(Settings(home=tmp_path))[0] == link.resolve()


def test_the_terraform_that_is_offered_runs_what_was_found_and_is_never_found_itself(tmp_path, monkeypatch):
    tofu = program(tmp_path / "bin" / "tofu", '{"terraform_version": "1.10.2"}')
    settings = Settings(home=tmp_path / "home")
    monkeypatch.setenv("MILLPOND_TF_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror" / toolchain.AWS_PROVIDER / "5.100.0").mkdir(parents=True)
    monkeypatch.setattr(shutil, "which", partial(which_in, tmp_path, shutil.which))
    monkeypatch.setenv("PATH", f"{tofu.parent}:{os.environ['PATH']}")
    offered = toolchain.offer_terraform(settings)
    monkeypatch.setenv("PATH", f"{offered}:{os.environ['PATH']}")
    assert toolchain.find_terraform(settings).path == tofu
    assert toolchain.offer_terraform(settings) == offered
    assert toolchain.terraform_version(offered / "terraform") == "1.10.2"
    assert str(tmp_path / "mirror") in (offered / "terraform.rc").read_text()


def which_in(directory, which, name, **options):
    """The program on the path if it is in the directory, whatever else this machine has."""
    path = which(name, **options)
    return path if path and Path(path).is_relative_to(directory) else None


@pytest.fixture
def releases(tmp_path):
    """A server that publishes what a test puts into its directory, on loopback."""
    root = tmp_path / "releases"
    (root / toolchain.TERRAFORM_VERSION).mkdir(parents=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(root), **kwargs)

        def log_message(self, *args):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield root / toolchain.TERRAFORM_VERSION, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def publish(directory: Path, digest: str | None = None) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("terraform", '#!/bin/sh\necho \'{"terraform_version": "1.11.4"}\'\n')
    digest = digest or hashlib.sha256(content.getvalue()).hexdigest()
    lines = []
    for machine in ("amd64", "arm64"):
        name = f"terraform_{toolchain.TERRAFORM_VERSION}_linux_{machine}.zip"
        (directory / name).write_bytes(content.getvalue())
        lines.append(f"{digest}  {name}\n")
    (directory / f"terraform_{toolchain.TERRAFORM_VERSION}_SHA256SUMS").write_text("".join(lines))


def test_terraform_is_downloaded_and_runs_when_its_sum_is_right(tmp_path, releases):
    directory, address = releases
    publish(directory)
    toolchain.download_terraform(tmp_path / "bin" / "terraform", address)
    assert toolchain.terraform_version(tmp_path / "bin" / "terraform") == "1.11.4"


def test_a_download_with_another_sum_is_refused_and_not_kept(tmp_path, releases):
    directory, address = releases
    publish(directory, digest="0" * 64)
    with pytest.raises(MillpondError, match="SHA-256"):
        toolchain.download_terraform(tmp_path / "bin" / "terraform", address)
    assert not (tmp_path / "bin" / "terraform").exists()


def test_without_a_way_to_download_the_error_names_what_to_install(tmp_path):
    with pytest.raises(MillpondError) as caught:
        toolchain.download_terraform(tmp_path / "terraform", "http://127.0.0.1:9")
    assert "install Terraform" in caught.value.next_step


def test_a_mirror_named_in_the_environment_comes_first(tmp_path, monkeypatch):
    (tmp_path / toolchain.AWS_PROVIDER / "5.100.0" / "linux_amd64").mkdir(parents=True)
    (tmp_path / toolchain.AWS_PROVIDER / "5.9.0" / "linux_amd64").mkdir(parents=True)
    monkeypatch.setenv("MILLPOND_TF_MIRROR", str(tmp_path))
    provider = toolchain.find_provider(Settings(home=tmp_path))
    assert (provider.path, provider.version) == (tmp_path, "5.100.0")


def test_a_python_that_does_not_run_is_passed_over(tmp_path, monkeypatch):
    broken = program(tmp_path / "shims" / "python3.13", "")
    broken.write_text("#!/bin/sh\nexit 127\n")
    real = tmp_path / "root" / "versions" / "3.13.9" / "bin" / "python3.13"
    program(real, "3.13")
    monkeypatch.setenv("PATH", str(broken.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("PATH", f"{broken.parent}:/usr/bin:/bin")
    monkeypatch.setattr(bootstrap.Path, "home", lambda: tmp_path / "nobody")
    assert bootstrap.find_python("3.13", tmp_path / "home") == real


def test_an_interrupted_environment_is_made_anew(tmp_path, monkeypatch):
    commands: list[list[str]] = []

    def remember(command, failure):
        commands.append(list(command))
        interpreter.parent.mkdir(parents=True, exist_ok=True)
        interpreter.touch()

    interpreter = tmp_path / "venvs" / "glue-spark" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.touch()
    monkeypatch.setattr(bootstrap, "run", remember)
    requirements = bootstrap.REQUIREMENTS / "glue-spark.txt"
    arguments = ("glue-spark", Path("python3.11"), requirements, tmp_path, Path("uv"))
    bootstrap.ensure_environment(*arguments)
    assert [command[1] for command in commands] == ["venv", "pip"]
    assert "--clear" in commands[0]
    bootstrap.ensure_environment(*arguments)
    assert len(commands) == 2, "a complete environment is left alone"


@pytest.mark.parametrize("is_checkout", [True, False])
def test_of_what_is_installed_once_a_user_keeps_no_downloads(tmp_path, monkeypatch, is_checkout):
    caches: list[Path] = []

    def remember(command, failure):
        if "--cache-dir" in command:
            caches.append(Path(command[command.index("--cache-dir") + 1]))
            assert caches[-1].is_dir()

    monkeypatch.setattr(bootstrap, "run", remember)
    monkeypatch.setattr(bootstrap, "IS_CHECKOUT", is_checkout)
    monkeypatch.setattr(bootstrap, "default_home", lambda: tmp_path)
    for once in (False, True):
        bootstrap.install(Path("uv"), Path("python"), ["pyspark"], "Spark", once=once)
    assert len(caches) == (0 if is_checkout else 1)
    assert list(tmp_path.iterdir()) == []


def test_parts_that_need_others_wait_for_them_and_what_fails_is_told_for_each(tmp_path, monkeypatch):
    have: list[str] = []
    waits = threading.Event()

    def find(name, others=()):
        def finder(_settings):
            if name == "spark":
                # Another one is looked for meanwhile.
                assert waits.wait(30)
            if name == "lambda":
                waits.set()
                raise bootstrap.BootstrapError("no network")
            assert set(others) <= set(have), name
            have.append(name)
            return toolchain.Component(name, "1", None)

        return finder

    named = {name: find(name, toolchain.AFTER.get(name, ())) for name in toolchain.FINDERS}
    monkeypatch.setattr(toolchain, "FINDERS", named)
    monkeypatch.setattr(bootstrap, "ensure_uv", lambda home: home)
    components = dict(toolchain.find_all(Settings(home=tmp_path / "home")))
    assert sorted(components) == sorted(named)
    failed = [
        (name, component.what)
        for name, component in components.items()
        if isinstance(component, MillpondError)
    ]
    assert failed == [("lambda", "no network")]


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path, monkeypatch):
    def fake_install(uv, interpreter, arguments, what, once):
        target = Path(arguments[arguments.index("--target") + 1])
        for jar in jars.JARS:
            (target / jar.directory).mkdir(parents=True, exist_ok=True)
            (target / jar.directory / jar.name).write_bytes(b"something else")

    monkeypatch.setattr(bootstrap, "install", fake_install)
    with pytest.raises(MillpondError, match="SHA-256"):
        jars.install_jars(tmp_path / "jars", uv=Path("uv"), python=Path("python"))
    assert list((tmp_path / "jars").iterdir()) == []


def test_the_bootstrap_runs_on_the_oldest_python_there_is():
    for version in ("3.8", "3.9", "3.10", "3.11"):
        python = bootstrap.find_python(version, CHECKOUT / ".millpond")
        if python:
            code = "import ast, sys; ast.parse(open(sys.argv[1]).read()); import millpond.toolchain.bootstrap"
            subprocess.run([python, "-c", code, "millpond/toolchain/bootstrap.py"], cwd=CHECKOUT, check=True)
            return
    pytest.skip("this machine has no Python older than 3.12")


def test_no_requirement_file_names_a_registry():
    for path in (CHECKOUT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text, path.name
        assert "--hash=sha256:" in text, path.name
