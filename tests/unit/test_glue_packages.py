"""What a script asks of a Maven repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from millpond.planes.glue import packages
from millpond.planes.glue.workers import GlueSettings

BUILDER = "SparkSession.builder.config('spark.jars.packages', {}).getOrCreate()"


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        (BUILDER.format("'g:a:1'"), "g:a:1"),
        (BUILDER.format("'g:a:1,' 'g:b:2'"), "g:a:1,g:b:2"),
        (BUILDER.format("'g:a:1,' + 'g:b:2'"), "g:a:1,g:b:2"),
        (BUILDER.format("','.join(['g:a:1', 'g:b:2'])"), "g:a:1,g:b:2"),
        ("WANTED = 'g:a:1'\n" + BUILDER.format("WANTED"), "g:a:1"),
        ("conf.set('spark.jars.packages', 'g:a:1')", "g:a:1"),
        ("conf.set('spark.jars', 'a.jar')", ""),
    ],
)
def test_what_a_script_writes_out_is_asked_for_before_its_jvm_starts(source: str, asked: str) -> None:
    assert packages.asked_for([source], {}) == (asked, [])


@pytest.mark.parametrize("source", [BUILDER.format("read()"), "import x  # spark.jars.packages\nprint '2'"])
def test_what_is_not_written_out_is_said_to_have_no_effect(source: str) -> None:
    asked, (warning,) = packages.asked_for([source], {})
    assert asked == ""
    assert "it has no effect. Give it by --conf spark.jars.packages=" in warning


def test_the_job_wins_over_its_script() -> None:
    given = {"spark.jars.packages": "g:own:1"}
    assert packages.asked_for([BUILDER.format("'g:a:1'")], given) == ("g:own:1", [])


def test_packages_are_kept_for_the_user_and_come_from_the_mirror(tmp_path: Path) -> None:
    plain = packages.conf("g:a:1", {}, GlueSettings(cache=tmp_path))
    assert plain == {"spark.jars.packages": "g:a:1", "spark.jars.ivy": str(tmp_path / "ivy")}
    mirrored = packages.conf("g:a:1", {}, GlueSettings(cache=tmp_path, maven_mirror="https://own/maven"))
    assert 'root="https://own/maven"' in Path(mirrored["spark.jars.ivySettings"]).read_text()
    assert packages.conf("", {"a": "b"}, GlueSettings()) == {"a": "b"}
