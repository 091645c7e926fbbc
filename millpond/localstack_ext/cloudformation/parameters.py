"""A template's constraints on its parameters, and its rules.

Source: "Parameters" and "Rules" in the CloudFormation User Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from millpond.planes.common.regexes import Regex, RegexError

Values = Mapping[str, str]
# Type, id and attribute to its value.
Attribute = Callable[[str, str, str], str]


class ParameterProblem(Exception):  # noqa: N818
    """The values are not what the template asks for."""


@dataclass(frozen=True)
class Lookup:
    """What a rule can ask for: parameters, and attributes of the resources that they name.

    Parameters
    ----------
    declared : mapping
        The template's parameters.
    values : mapping
        Their values, lists as such.
    attribute : callable or None
        Answers an attribute of a resource.
    """

    declared: Mapping[str, Any]
    values: Mapping[str, Any]
    attribute: Attribute | None

    def names_of(self, kind: str) -> list[str]:
        """The parameters of a type such as ``AWS::EC2::VPC::Id``, and of lists of it."""
        return [
            name
            for name, declaration in self.declared.items()
            if declaration.get("Type") in (kind, f"List<{kind}>")
        ]

    def all_of(self, kind: str) -> list[str]:
        return [value for name in self.names_of(kind) for value in self._members(name)]

    def attributes_of(self, name: str, attribute: str) -> list[str]:
        kind = self.declared[name]["Type"].removeprefix("List<").removesuffix(">")
        if self.attribute is None:
            raise ParameterProblem("Template validation error: no resource can be looked up here")
        return [self.attribute(kind, value, attribute) for value in self._members(name)]

    def _members(self, name: str) -> list[str]:
        value = self.values.get(name, [])
        return value if isinstance(value, list) else [value]


def check(template: Mapping[str, Any], passed: Values, attribute: Attribute | None = None) -> None:
    """Refuse values that a template does not accept.

    Parameters
    ----------
    template : mapping
        The template.
    passed : mapping
        Parameter to value; what is missing has its default.
    attribute : callable, optional
        Answers an attribute of a resource in the account, for the rule functions that ask for one.

    Raises
    ------
    ParameterProblem
        With the words that CloudFormation's user reads.
    """
    declared = template.get("Parameters") or {}
    if unknown := sorted(set(passed) - set(declared)):
        raise ParameterProblem(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {
        name: str(declaration["Default"])
        for name, declaration in declared.items()
        if "Default" in declaration
    } | dict(passed)
    for name, value in values.items():
        _check_parameter(name, declared[name], value)
    resolved = {name: _members(declared[name], value) for name, value in values.items()}
    for name, rule in (template.get("Rules") or {}).items():
        _check_rule(name, rule, Lookup(declared, resolved, attribute))


def _check_parameter(name: str, declared: Mapping[str, Any], value: str) -> None:
    members = _members(declared, value)
    for member in members if isinstance(members, list) else [members]:
        if (reason := _refusal(declared, member)) is not None:
            note = declared.get("ConstraintDescription") or reason
            raise ParameterProblem(f"Parameter {name} failed to satisfy constraint: {note}")


def _refusal(declared: Mapping[str, Any], value: str) -> str | None:
    allowed = declared.get("AllowedValues")
    if allowed is not None and value not in [str(option) for option in allowed]:
        return f"must be one of: {', '.join(str(option) for option in allowed)}"
    pattern = declared.get("AllowedPattern")
    if pattern is not None and not _is_of(pattern, value):
        return f"must match pattern {pattern}"
    if len(value) < int(declared.get("MinLength", 0)):
        return f"must have at least {declared['MinLength']} characters"
    if "MaxLength" in declared and len(value) > int(declared["MaxLength"]):
        return f"must have at most {declared['MaxLength']} characters"
    return _number_refusal(declared, value) if "Number" in declared.get("Type", "") else None


def _is_of(pattern: str, value: str) -> bool:
    """Whether a value is of an ``AllowedPattern``, which is Java's: it may look around."""
    try:
        return Regex(str(pattern), backtracks=True).fullmatch(value) is not None
    except RegexError as error:
        raise ParameterProblem(f"AllowedPattern {pattern} is not valid: {error}") from error


def _number_refusal(declared: Mapping[str, Any], value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return "must be a number"
    if "MinValue" in declared and number < float(declared["MinValue"]):
        return f"must be at least {declared['MinValue']}"
    if "MaxValue" in declared and number > float(declared["MaxValue"]):
        return f"must be at most {declared['MaxValue']}"
    return None


def _members(declared: Mapping[str, Any], value: str) -> str | list[str]:
    kind = declared.get("Type", "String")
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [item.strip() for item in value.split(",")] if value else []
    return value


def _check_rule(name: str, rule: Mapping[str, Any], lookup: Lookup) -> None:
    if "RuleCondition" in rule and not evaluate(rule["RuleCondition"], lookup):
        return
    for assertion in rule["Assertions"]:
        if not evaluate(assertion["Assert"], lookup):
            note = assertion.get("AssertDescription") or "an assertion does not hold"
            raise ParameterProblem(f"Template validation error: Rule {name} failed: {note}")


def evaluate(expression: Any, lookup: Lookup) -> Any:
    """The value of an expression in a rule."""
    if isinstance(expression, list):
        return [evaluate(item, lookup) for item in expression]
    if not isinstance(expression, Mapping):
        return expression
    [(function, argument)] = expression.items()
    if function == "Ref":
        return lookup.values.get(argument, "")
    if function not in _FUNCTIONS:
        raise ParameterProblem(f"Template validation error: {function} is not available in rules here")
    return _FUNCTIONS[function](lookup, evaluate(argument, lookup))


def _value_of_all(lookup: Lookup, arguments: Any) -> list[str]:
    names = lookup.names_of(arguments[0])
    return [value for name in names for value in lookup.attributes_of(name, arguments[1])]


# "Rule-specific intrinsic functions" of the CloudFormation user guide.
_FUNCTIONS: Mapping[str, Callable[[Lookup, Any], Any]] = {
    "Fn::And": lambda _, conditions: all(conditions),
    "Fn::Contains": lambda _, arguments: arguments[1] in arguments[0],
    "Fn::EachMemberEquals": lambda _, arguments: all(member == arguments[1] for member in arguments[0]),
    "Fn::EachMemberIn": lambda _, arguments: all(member in arguments[1] for member in arguments[0]),
    "Fn::Equals": lambda _, arguments: str(arguments[0]) == str(arguments[1]),
    "Fn::Not": lambda _, conditions: not conditions[0],
    "Fn::Or": lambda _, conditions: any(conditions),
    "Fn::RefAll": lambda lookup, kind: lookup.all_of(kind),
    "Fn::ValueOf": lambda lookup, arguments: lookup.attributes_of(*arguments)[0],
    "Fn::ValueOfAll": _value_of_all,
}
