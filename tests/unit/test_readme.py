"""The README keeps its form: what each component's entry answers, and no way out of the text."""

from __future__ import annotations

import re

import pytest

from millpond.base.config import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
LABELS = ["Here", "When", "Why", "Secured", "Costs"]


def entries() -> dict[str, str]:
    """The components of section B by their headings."""
    section = README.partition("\n## B. ")[2].partition("\n### How it was thought out")[0]
    return {title: text for title, _, text in (part.partition("\n") for part in section.split("\n### ")[1:])}


@pytest.mark.parametrize("title", entries())
def test_a_component_says_in_this_order_what_when_why_how_secured_and_for_how_much(title):
    assert re.findall(r"\*\*([A-Z][a-z]+)\b:?\*\*", entries()[title]) == LABELS


def test_every_service_of_the_palette_has_its_entry():
    titles = " ".join(entries())
    palette = ("VPC", "IAM", "Glue", "Athena", "Lambda", "SNS", "Step Functions", "CloudWatch", "CodeBuild")
    more = ("CloudFormation", "Parameter Store", "S3", "Secrets Manager", "DynamoDB", "On-premises database")
    assert [name for name in (*palette, *more) if name not in titles] == []


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("DynamoDB", ("tables", "item", "attribute")),
        ("EventBridge, SNS, SQS", ("time-based rule", "event-based rule")),
        ("CloudFormation, CodeBuild, Terraform, Git", ("template", "stack", "change set")),
    ],
)
def test_what_is_easily_taken_for_the_same_is_told_apart(title, words):
    assert [word for word in words if word not in entries()[title].lower()] == []


def test_the_only_addresses_are_of_this_machine():
    addresses = re.findall(r"\b(?:https?|ftp)://[^\s)`\"']+|\bwww\.[^\s)`]+", README)
    assert addresses, "the endpoint is shown"
    assert [one for one in addresses if not one.startswith("http://127.0.0.1:")] == []
