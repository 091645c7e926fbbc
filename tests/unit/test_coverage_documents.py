"""``docs/coverage`` says what the code does."""

from __future__ import annotations

import botocore.session
import pytest
from terraform_types import document, sweep

from millpond.base.config import CHECKOUT
from millpond.localstack_ext.coverage import DOCUMENTS
from millpond.localstack_ext.engine.refusals import REFUSED, WITHOUT_EFFECT

DIRECTORY = CHECKOUT / "docs" / "coverage"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_as_the_tables_of_the_code_say(name):
    assert (DIRECTORY / name).read_text() == DOCUMENTS[name](), "write it anew: make coverage-docs"


def test_no_other_document_lies_there():
    assert {path.name for path in DIRECTORY.iterdir()} == {*DOCUMENTS, document.DOCUMENT.name}


@pytest.mark.parametrize("service", sorted({*REFUSED, *WITHOUT_EFFECT}))
def test_what_is_refused_or_without_effect_is_an_operation_of_its_service(service):
    operations = botocore.session.get_session().get_service_model(service).operation_names
    assert {*REFUSED.get(service, ()), *WITHOUT_EFFECT.get(service, ())} <= set(operations)


def test_types_of_terraform_are_told_as_the_last_sweep_found_them():
    swept = document.read()
    assert set(swept) <= set(sweep.groups())
    assert document.DOCUMENT.read_text() == document.text(swept), "write it anew: make coverage-docs"


def test_a_type_is_refused_only_if_all_that_failed_of_it_was_refused_by_name():
    refused = {"apply": "api error UnsupportedOperation: Millpond cannot do CreateX of glue: docs"}
    resources = {"aws_a": ["aws_a.one", "aws_a.two"], "aws_b": ["aws_b.one"], "aws_c": ["aws_c.one"]}
    answers = {"aws_a.one": refused, "aws_a.two": {"plan": "differs: tags"}, "aws_b.one": refused}
    assert document.results_of(answers, resources) == {
        "aws_a": {"answer": "fails", "why": "plan: differs: tags"},
        "aws_b": {"answer": "refused", "why": "CreateX"},
        "aws_c": {"answer": "passes", "why": ""},
    }
