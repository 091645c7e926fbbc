from __future__ import annotations

import pytest

from lake.settings import load_lake_settings
from millpond.base.config import load_settings
from millpond.base.errors import MillpondError


def test_the_environment_sets_ports_and_names(monkeypatch, tmp_path):
    monkeypatch.setenv("MILLPOND_GATEWAY_PORT", "4599")
    monkeypatch.setenv("MILLPOND_STATE_DIR", str(tmp_path))
    settings = load_settings()
    assert settings.endpoint_url == "http://127.0.0.1:4599"
    assert settings.state == tmp_path
    assert settings.prefix == "millpond-dev"


@pytest.mark.parametrize(
    ("name", "value"), [("GATEWAY_PORT", "99999"), ("TIER", "cloud"), ("SCALE", "0"), ("TPCH_SF", "much")]
)
def test_a_bad_value_is_an_error_that_names_the_setting(monkeypatch, name, value):
    monkeypatch.setenv(f"MILLPOND_{name}", value)
    read = load_settings if name in ("GATEWAY_PORT", "TIER") else load_lake_settings
    with pytest.raises(MillpondError) as caught:
        read()
    assert name.lower() in caught.value.what
    assert f"MILLPOND_{name}" in caught.value.where
