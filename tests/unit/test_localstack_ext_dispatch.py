"""Which code answers an operation, and how a plane's refusal becomes AWS's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from localstack.aws.forwarder import create_aws_request_context
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service

from millpond.localstack_ext.engine.dispatch import Plane, dispatch_table


class RefusedError(Exception):
    code = "InvalidRequestException"
    message = "no such thing"

    def __init__(self) -> None:
        super().__init__(self.message)
        self.AthenaErrorCode = "INVALID_INPUT"


class FakePlane:
    OPERATIONS: ClassVar[Mapping[str, str]] = {
        "GetQueryExecution": "get_query",
        "StopQueryExecution": "refuse",
        "ListDatabases": "crash",
        "DeleteWorkGroup": "delete",
    }

    @staticmethod
    def handles(operation: str, request: Mapping[str, Any]) -> bool:
        return operation != "DeleteWorkGroup"

    def get_query(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"QueryExecution": {"QueryExecutionId": request["QueryExecutionId"]}}

    def refuse(self, request: dict[str, Any]) -> dict[str, Any]:
        raise RefusedError

    def crash(self, request: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("left to moto")


FAKE_PLANE = FakePlane()


def ask(
    operation: str, parameters: dict[str, Any], service: str = "athena", plane: Plane | None = FAKE_PLANE
) -> tuple[int, dict[str, Any]]:
    table = dispatch_table(service, plane)
    context = create_aws_request_context(service, operation, parameters=parameters, region="eu-west-1")
    response = Skeleton(load_service(service), table).invoke(context)
    return response.status_code, json.loads(response.data or "{}")


def test_plane_answers_what_it_handles() -> None:
    assert ask("GetQueryExecution", {"QueryExecutionId": "q1"}) == (
        200,
        {"QueryExecution": {"QueryExecutionId": "q1"}},
    )


def test_moto_answers_what_the_plane_does_not_handle() -> None:
    status, answer = ask("ListWorkGroups", {})
    assert (status, [one["Name"] for one in answer["WorkGroups"]]) == (200, ["primary"])


def test_request_that_the_plane_leaves_to_others_goes_to_moto() -> None:
    assert ask("DeleteWorkGroup", {"WorkGroup": "any"}) == (200, {})


def test_operation_that_nobody_implements_is_an_error() -> None:
    status, answer = ask("GetSession", {"SessionId": "s"})
    assert (status, answer["__type"]) == (501, "InternalFailure")


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [("codebuild", "StartBuild", {"projectName": "p"}), ("glue", "StartCrawler", {"Name": "c"})],
)
def test_operation_that_moto_only_pretends_to_do_is_an_error(
    service: str, operation: str, parameters: dict[str, Any]
) -> None:
    status, answer = ask(operation, parameters, service, None)
    assert (status, answer["__type"]) == (501, "InternalFailure")
    assert answer["message"] == f"The operation {operation} has not been implemented"


def test_refusal_of_a_plane_has_its_code_its_message_and_its_own_members() -> None:
    assert ask("StopQueryExecution", {"QueryExecutionId": "q1"}) == (
        400,
        {"__type": "InvalidRequestException", "Message": "no such thing", "AthenaErrorCode": "INVALID_INPUT"},
    )


def test_defect_of_a_plane_is_not_turned_into_a_refusal() -> None:
    with pytest.raises(ZeroDivisionError):
        ask("ListDatabases", {"CatalogName": "c"})


def test_plane_that_names_an_unknown_operation_is_a_mistake() -> None:
    class Mistaken(FakePlane):
        OPERATIONS: ClassVar[Mapping[str, str]] = {"NoSuchThing": "get_query"}

    with pytest.raises(ValueError, match="Mistaken handles NoSuchThing, which athena does not have"):
        dispatch_table("athena", Mistaken())
