"""Which code answers an operation, and how a plane's refusal becomes AWS's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from localstack.aws.forwarder import create_aws_request_context
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from telemetry_fakes import RecordedTelemetry

from millpond.localstack_ext.engine.dispatch import Served, answers, dispatch_table
from millpond.planes import athena, codebuild, glue
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.errors import AwsError
from millpond.planes.common.operations import Answer, Operations


class RefusedError(AwsError):
    code = "InvalidRequestException"

    def __init__(self) -> None:
        super().__init__("no such thing")
        self.AthenaErrorCode = "INVALID_INPUT"


OPERATIONS = Operations(
    "athena",
    own=("GetQueryExecution", "StopQueryExecution", "ListDatabases", "DeleteWorkGroup"),
    refused=("CreateCapacityReservation",),
)


class FakePlane:
    def __init__(self, account_id: str, region: str) -> None:
        self._where = f"{account_id} {region}"

    @staticmethod
    def handles(operation: str, request: Mapping[str, Any]) -> bool:
        return operation != "DeleteWorkGroup"

    def get_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"QueryExecution": {"QueryExecutionId": request["QueryExecutionId"], "Query": self._where}}

    def stop_query_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        raise RefusedError

    def list_databases(self, request: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    def delete_work_group(self, request: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("left to moto")


def ask(operation: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    table = dispatch_table("athena", Served(OPERATIONS, FakePlane))
    context = create_aws_request_context("athena", operation, parameters=parameters, region="us-east-1")
    context.account_id = "111122223333"
    response = Skeleton(load_service("athena"), table).invoke(context)
    return response.status_code, json.loads(response.data or "{}")


def test_plane_of_the_callers_account_and_region_answers_what_it_handles() -> None:
    assert ask("GetQueryExecution", {"QueryExecutionId": "q1"}) == (
        200,
        {"QueryExecution": {"QueryExecutionId": "q1", "Query": "111122223333 us-east-1"}},
    )


def test_moto_answers_what_the_plane_does_not_handle() -> None:
    status, answer = ask("ListWorkGroups", {})
    assert (status, [group["Name"] for group in answer["WorkGroups"]]) == (200, ["primary"])


def test_request_that_the_plane_leaves_to_others_goes_to_moto() -> None:
    assert ask("DeleteWorkGroup", {"WorkGroup": "any"}) == (200, {})


def test_operation_that_nobody_implements_is_an_error() -> None:
    status, answer = ask("GetSession", {"SessionId": "s"})
    assert (status, answer["__type"]) == (400, "UnsupportedOperation")


def test_operation_that_moto_only_pretends_to_do_is_an_error() -> None:
    status, answer = ask("CreateCapacityReservation", {"Name": "r", "TargetDpus": 24})
    assert (status, answer["__type"]) == (400, "UnsupportedOperation")
    assert answer["message"] == (
        "Millpond cannot do CreateCapacityReservation of athena: docs/coverage lists what is there."
    )


def test_refusal_of_a_plane_has_its_code_its_message_and_its_own_members() -> None:
    assert ask("StopQueryExecution", {"QueryExecutionId": "q1"}) == (
        400,
        {"__type": "InvalidRequestException", "Message": "no such thing", "AthenaErrorCode": "INVALID_INPUT"},
    )


def test_defect_of_a_plane_is_not_turned_into_a_refusal() -> None:
    with pytest.raises(ZeroDivisionError):
        ask("ListDatabases", {"CatalogName": "c"})


def test_plane_that_names_an_unknown_operation_is_a_mistake() -> None:
    mistaken = Operations("athena", own=("NoSuchThing",))
    with pytest.raises(ValueError, match="athena has no operation NoSuchThing"):
        dispatch_table("athena", Served(mistaken, FakePlane))


def test_operation_is_in_a_table_once() -> None:
    with pytest.raises(ValueError, match="glue that are in the table twice: GetJob"):
        Operations("glue", own=("GetJob", "GetJobs"), kept=("GetJob",))


@pytest.mark.parametrize("service", [athena, codebuild, glue])
def test_every_operation_of_a_plane_has_its_answer_and_its_method(service: Any, tmp_path: Path) -> None:
    tools = Tools(*[tmp_path] * 6, {})
    context = PlaneContext("http://127.0.0.1:9", "eu-west-1", "000000000000", tmp_path, tools)
    planes = service.serve(context, RecordedTelemetry(context))
    plane = planes.of("000000000000", "us-east-1")
    operations: Operations = service.OPERATIONS
    name = operations.service
    assert set(answers(name, operations)) == set(load_service(name).operation_names)
    assert all(callable(getattr(plane, method)) for method in operations.methods().values())
    of_engine = answers(name, Operations(name, own=()))
    assert {of_engine[operation] for operation in (*operations.kept, *operations.refused)} <= {Answer.ENGINE}
    planes.close()
