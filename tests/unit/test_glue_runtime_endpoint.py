"""Clients ask the stack, whatever botocore is imported by, and where a script gives an address of AWS's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millpond.base.config import CHECKOUT

SESSION = """
class {kind}:
    def {method}(self, service_name, region_name=None, api_version=None, use_ssl=True, verify=None,
                 endpoint_url=None, **rest):
        return endpoint_url
"""
ASKS = """
from botocore.session import Session
from aiobotocore.session import AioSession
print(Session().create_client("s3"), Session().create_client("s3", endpoint_url="http://own"),
      AioSession()._create_client("s3", region_name="eu-west-1"),
      Session().create_client("s3", None, None, True, None, "http://own"),
      Session().create_client("s3", None, None, True, None, "https://s3.eu-west-1.amazonaws.com/"),
      *(Session().create_client("glue", endpoint_url=one) for one in (
          "https://glue.us-east-1.amazonaws.com", "https://glue.us-east-1.api.aws:443",
          "https://glue.cn-north-1.amazonaws.com.cn", "https://amazonaws.com.example.org",
          "http://own/a.amazonaws.com",
      )))
"""


def packages(directory: Path, version: str) -> Path:
    for name, kind, method in (
        ("botocore", "Session", "create_client"),
        ("aiobotocore", "AioSession", "_create_client"),
    ):
        (directory / name).mkdir()
        (directory / name / "__init__.py").write_text(f"import botocore\n__version__ = {version!r}\n")
        (directory / name / "session.py").write_text(SESSION.format(kind=kind, method=method))
    return directory


@pytest.mark.parametrize(
    ("version", "asked"),
    [
        ("1.24.21", "http://stack http://own http://stack http://own"),
        ("1.30.1", "http://stack http://own http://stack http://own"),
        ("1.31.0", "None http://own None http://own"),
        ("1.42.0", "None http://own None http://own"),
    ],
)
def test_clients_ask_the_stack_unless_the_script_gives_an_address_of_its_own(
    tmp_path: Path, version: str, asked: str
) -> None:
    path = os.pathsep.join([str(CHECKOUT / "glue_runtime"), str(packages(tmp_path, version))])
    environment = {"PYTHONPATH": path, "AWS_ENDPOINT_URL": "http://stack"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sitecustomize\n" + ASKS],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    of_aws = " ".join(["http://stack"] * 4)
    elsewhere = "https://amazonaws.com.example.org http://own/a.amazonaws.com"
    assert done.stdout.split("\n")[0] == f"{asked} {of_aws} {elsewhere}"
