"""The platform as Terraform deploys it."""

import pytest
from pytest_millpond import Athena, GlueJobs, Millpond, Objects

RAW = "day,celsius\n2026-01-01,-3.5\n2026-01-02,\n2026-01-03,1.25\n"
LAKE = "s3://weather-test-lake"


@pytest.fixture(scope="module", autouse=True)
def platform(millpond: Millpond) -> None:
    # `check`: a second plan finds nothing to change.
    millpond.deploy(variables={"stage": "test"}, check=True)


def test_days_without_a_temperature_are_left_out(glue_job: GlueJobs, s3: Objects, athena: Athena) -> None:
    s3.put(f"{LAKE}/raw/hohenpeissenberg.csv", RAW)

    run = glue_job("weather-test-clean").run({"station": "hohenpeissenberg"})

    run.assert_succeeded().assert_logged("hohenpeissenberg: 2 days")
    s3.assert_objects(f"{LAKE}/clean", ["station=hohenpeissenberg/days.csv"])
    athena("MSCK REPAIR TABLE weather_test.days", workgroup="weather-test")
    athena(
        "SELECT station, day, celsius FROM weather_test.days ORDER BY day", workgroup="weather-test"
    ).assert_rows([("hohenpeissenberg", "2026-01-01", -3.5), ("hohenpeissenberg", "2026-01-03", 1.25)])


def test_a_station_without_data_fails_by_name(glue_job: GlueJobs) -> None:
    glue_job("weather-test-clean").run({"station": "nowhere"}).assert_failed(match="NoSuchKey")
