"""Constraints and rules of a template, as the engine checks them."""

from __future__ import annotations

from typing import Any

import pytest

from millpond.localstack_ext.cloudformation.parameters import Lookup, ParameterProblem, check, evaluate


@pytest.mark.parametrize(
    ("declared", "value", "words"),
    [
        ({"AllowedPattern": "[a-z]+"}, "a1", r"must match pattern \[a-z\]\+"),
        ({"AllowedPattern": "[a-z]+", "ConstraintDescription": "letters"}, "a1", "constraint: letters"),
        ({"AllowedValues": ["a", "b"]}, "c", "must be one of: a, b"),
        ({"MinLength": "3"}, "ab", "at least 3 characters"),
        ({"MaxLength": 1}, "ab", "at most 1 characters"),
        ({"Type": "Number"}, "x", "must be a number"),
        ({"Type": "Number", "MinValue": 2}, "1", "at least 2"),
        ({"Type": "List<Number>", "MaxValue": 2}, "1,3", "at most 2"),
        ({"Type": "CommaDelimitedList", "AllowedValues": ["a"]}, "a,b", "must be one of: a"),
    ],
)
def test_value_that_breaks_a_constraint_is_refused(declared: dict[str, Any], value: str, words: str) -> None:
    with pytest.raises(ParameterProblem, match=words):
        check({"Parameters": {"P": declared}}, {"P": value})


def test_default_counts_and_unknown_parameter_is_refused() -> None:
    check({"Parameters": {"P": {"Default": "a", "AllowedValues": ["a"]}}}, {})
    with pytest.raises(ParameterProblem, match=r"\[Q\] do not exist"):
        check({"Parameters": {}}, {"Q": "1"})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"Fn::Equals": [{"Ref": "E"}, "prod"]}, True),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "E"}, "prod"]}]}, False),
        ({"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Fn::Contains": [["x", "prod"], {"Ref": "E"}]}]}, True),
        ({"Fn::And": [{"Fn::EachMemberIn": [{"Ref": "L"}, ["a", "b", "c"]]}]}, True),
        ({"Fn::EachMemberEquals": [{"Ref": "L"}, "a"]}, False),
    ],
)
def test_rule_function(expression: dict[str, Any], expected: bool) -> None:
    assert evaluate(expression, Lookup({}, {"E": "prod", "L": ["a", "b"]}, None)) is expected


def test_a_rule_can_ask_for_attributes_of_what_the_parameters_name() -> None:
    template = {
        "Parameters": {
            "Vpc": {"Type": "AWS::EC2::VPC::Id"},
            "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>"},
        },
        "Rules": {
            "SubnetsAreOfTheVpc": {
                "Assertions": [
                    {
                        "Assert": {
                            "Fn::EachMemberIn": [
                                {"Fn::ValueOfAll": ["AWS::EC2::Subnet::Id", "VpcId"]},
                                {"Fn::RefAll": "AWS::EC2::VPC::Id"},
                            ]
                        }
                    }
                ]
            }
        },
    }
    vpcs = {"subnet-1": "vpc-1", "subnet-2": "vpc-2"}

    def attribute(kind: str, value: str, name: str) -> str:
        assert (kind, name) == ("AWS::EC2::Subnet::Id", "VpcId")
        return vpcs[value]

    check(template, {"Vpc": "vpc-1", "Subnets": "subnet-1"}, attribute)
    with pytest.raises(ParameterProblem, match="SubnetsAreOfTheVpc"):
        check(template, {"Vpc": "vpc-1", "Subnets": "subnet-1,subnet-2"}, attribute)
