"""What a definition of a state machine is checked for when it is created, updated or validated.

Sources: the Amazon States Language specification; "State machine structure" and the pages of the state
types in the Step Functions developer guide; ``ValidateStateMachineDefinition`` in the API Reference, with its
codes ``SCHEMA_VALIDATION_FAILED``, ``MISSING_TRANSITION_TARGET`` and ``INVALID_JSON_DESCRIPTION``. LocalStack
checks a definition by its grammar alone, so that a state may go on with one that there is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from millpond.localstack_ext.stepfunctions import intrinsics, jsonata
from millpond.localstack_ext.stepfunctions.errors import ALL, RESERVED

Shape = Mapping[str, Any]

SCHEMA = "SCHEMA_VALIDATION_FAILED"
TARGET = "MISSING_TRANSITION_TARGET"
NOT_JSON = "INVALID_JSON_DESCRIPTION"

JSONPATH, JSONATA = "JSONPath", "JSONata"
DISTRIBUTED = "DISTRIBUTED"
S3_GET = "arn:aws:states:::s3:getObject"
S3_LIST = "arn:aws:states:::s3:listObjectsV2"
S3_PUT = "arn:aws:states:::s3:putObject"

LONGEST_NAME = 80
LONGEST_LABEL = 40
LONGEST_SECONDS = 99_999_999

EXPRESSION = re.compile(r"\{%(.*)%\}", re.DOTALL)
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_HTTP_STATUS = re.compile(r"States\.Http\.StatusCode\.\d{3}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Problem:
    """Why a definition is refused.

    Parameters
    ----------
    code : str
        As in ``ValidateStateMachineDefinition``.
    message : str
        What is wrong.
    location : str
        Where, as a path of the definition's fields.
    """

    code: str
    message: str
    location: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location or '/'}"


@dataclass(frozen=True)
class _Type:
    """The fields of a type of states: in both query languages, in JSONPath alone, in JSONata alone."""

    both: frozenset[str]
    jsonpath: frozenset[str]
    jsonata: frozenset[str]
    goes_on: bool = True


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _type(both: str, jsonpath: str, jsonata: str, goes_on: bool = True) -> _Type:
    return _Type(_words(both), _words(jsonpath), _words(jsonata), goes_on)


_TYPES = {
    "Task": _type(
        "Resource TimeoutSeconds HeartbeatSeconds Credentials Retry Catch Assign",
        "InputPath OutputPath ResultPath ResultSelector Parameters TimeoutSecondsPath HeartbeatSecondsPath",
        "Arguments Output",
    ),
    "Pass": _type("Assign", "InputPath OutputPath ResultPath Parameters Result", "Output"),
    "Wait": _type("Seconds Timestamp Assign", "SecondsPath TimestampPath InputPath OutputPath", "Output"),
    "Choice": _type("Choices Default Assign", "InputPath OutputPath", "Output", goes_on=False),
    "Succeed": _type("", "InputPath OutputPath", "Output", goes_on=False),
    "Fail": _type("Error Cause", "ErrorPath CausePath", "", goes_on=False),
    "Parallel": _type(
        "Branches Retry Catch Assign",
        "InputPath OutputPath ResultPath ResultSelector Parameters",
        "Arguments Output",
    ),
    "Map": _type(
        "ItemProcessor Iterator MaxConcurrency ItemSelector ItemReader ItemBatcher ResultWriter Label "
        "ToleratedFailureCount ToleratedFailurePercentage Retry Catch Assign",
        "InputPath OutputPath ResultPath ResultSelector Parameters ItemsPath MaxConcurrencyPath "
        "ToleratedFailureCountPath ToleratedFailurePercentagePath",
        "Items Output",
    ),
}
_REQUIRED = {"Task": "Resource", "Choice": "Choices", "Parallel": "Branches"}
_OF_EVERY_STATE = frozenset({"Type", "Comment", "QueryLanguage"})
_DISTRIBUTED_ONLY = _words(
    "ItemReader ItemBatcher ResultWriter Label ToleratedFailureCount ToleratedFailurePercentage "
    "ToleratedFailureCountPath ToleratedFailurePercentagePath"
)
_PATHS = _words("InputPath OutputPath ItemsPath")
_DYNAMIC_PATHS = _words(
    "TimeoutSecondsPath HeartbeatSecondsPath SecondsPath TimestampPath MaxConcurrencyPath "
    "ToleratedFailureCountPath ToleratedFailurePercentagePath"
)
_TEMPLATES = _words("Parameters ResultSelector ItemSelector Assign")
_JSONATA_FIELDS = _words(
    "Arguments Output Assign Items ItemSelector Condition Error Cause Seconds Timestamp TimeoutSeconds "
    "HeartbeatSeconds MaxConcurrency ToleratedFailureCount ToleratedFailurePercentage Credentials "
    "ItemReader ItemBatcher ResultWriter"
)

_MACHINE_FIELDS = frozenset({"Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"})
_BRANCH_FIELDS = frozenset({"Comment", "StartAt", "States"})
_PROCESSOR_FIELDS = _BRANCH_FIELDS | {"ProcessorConfig"}
_RETRIER_FIELDS = _words(
    "ErrorEquals IntervalSeconds MaxAttempts BackoffRate MaxDelaySeconds JitterStrategy Comment"
)
_CATCHER_FIELDS = _words("ErrorEquals Next Assign Comment")

COMPARISONS = frozenset(
    [
        f"{kind}{how}"
        for kind in ("Boolean", "Numeric", "String", "Timestamp")
        for how in ("Equals", "EqualsPath")
    ]
    + [
        f"{kind}{how}{path}"
        for kind in ("Numeric", "String", "Timestamp")
        for how in ("LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals")
        for path in ("", "Path")
    ]
    + sorted(_words("IsBoolean IsNull IsNumeric IsPresent IsString IsTimestamp StringMatches"))
)
_COMBINATIONS = frozenset({"And", "Or", "Not"})

READER_TYPES = frozenset({"CSV", "JSON", "JSONL", "MANIFEST", "PARQUET"})
_OBJECTS = {
    "ItemReader": frozenset({"Resource", "Parameters", "Arguments", "ReaderConfig"}),
    "ReaderConfig": _words(
        "InputType CSVHeaderLocation CSVHeaders CSVDelimiter MaxItems MaxItemsPath ItemsPointer ManifestType "
        "Transformation"
    ),
    "ItemBatcher": _words(
        "BatchInput MaxItemsPerBatch MaxItemsPerBatchPath MaxInputBytesPerBatch MaxInputBytesPerBatchPath"
    ),
    "ResultWriter": frozenset({"Resource", "Parameters", "Arguments", "WriterConfig"}),
    "WriterConfig": frozenset({"OutputType", "Transformation"}),
    "ProcessorConfig": frozenset({"Mode", "ExecutionType"}),
}
_CHOICES = {
    "InputType": READER_TYPES,
    "CSVHeaderLocation": frozenset({"FIRST_ROW", "GIVEN"}),
    "CSVDelimiter": frozenset({"COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"}),
    "ManifestType": frozenset({"ATHENA_DATA", "S3_INVENTORY"}),
    "OutputType": frozenset({"JSON", "JSONL"}),
    "Transformation": frozenset({"NONE", "COMPACT", "FLATTEN", "LOAD_AND_FLATTEN"}),
    "Mode": frozenset({"INLINE", DISTRIBUTED}),
    "ExecutionType": frozenset({"STANDARD", "EXPRESS"}),
    "JitterStrategy": frozenset({"FULL", "NONE"}),
}


def problems(definition: str) -> list[Problem]:
    """What is wrong with a definition; nothing if it may be created.

    Examples
    --------
    >>> [str(one) for one in problems('{"StartAt": "A", "States": {"B": {"Type": "Succeed"}}}')]
    ["MISSING_TRANSITION_TARGET: Missing 'StartAt' target: A at /StartAt"]
    """
    try:
        document = json.loads(definition)
    except ValueError as error:
        return [Problem(NOT_JSON, str(error), "")]
    if not isinstance(document, dict):
        return [Problem(SCHEMA, "A definition is a JSON object", "")]
    check = _Check()
    check.machine(document, "", JSONPATH, _MACHINE_FIELDS)
    return check.problems


def problems_of_state(definition: str) -> list[Problem]:
    """Why a state's definition is refused, as ``TestState`` takes it, without where it goes on."""
    try:
        document = json.loads(definition)
    except ValueError as error:
        return [Problem(NOT_JSON, str(error), "")]
    check = _Check()
    check.state(document, "", JSONPATH)
    return check.problems


class _Check:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._names: set[str] = set()

    # Machines: the whole one, a branch, an item processor

    def machine(self, machine: Any, at: str, language: str, fields: frozenset[str]) -> None:
        if not self._is_object(machine, at):
            return
        self._only(machine, fields, at)
        language = self._language(machine, at, language)
        if "Version" in machine and machine["Version"] != "1.0":
            self._schema("The version is 1.0", f"{at}/Version")
        self._seconds(machine, "TimeoutSeconds", at, 1)
        states = machine.get("States")
        if not isinstance(states, dict) or not states:
            self._schema("States must be an object of at least one state", f"{at}/States")
            return
        for name, state in states.items():
            place = f"{at}/States/{name}"
            if len(name) > LONGEST_NAME:
                self._schema(f"A name has at most {LONGEST_NAME} characters", place)
            if name in self._names:
                self._schema(f"State names are unique in a state machine: {name}", place)
            self._names.add(name)
            self.state(state, place, language)
        self._transitions(machine, states, at)

    def _transitions(self, machine: Shape, states: Shape, at: str) -> None:
        start = machine.get("StartAt")
        if not isinstance(start, str):
            self._schema("StartAt must be the name of a state", f"{at}/StartAt")
            return
        targets = {
            name: list(_targets(state, f"{at}/States/{name}")) if isinstance(state, dict) else []
            for name, state in states.items()
        }
        missing = [("StartAt", start, f"{at}/StartAt")] if start not in states else []
        missing += [target for name in targets for target in targets[name] if target[1] not in states]
        for field, target, place in missing:
            self.problems.append(Problem(TARGET, f"Missing '{field}' target: {target}", place))
        if missing:
            return
        reached, ahead = set(), [start]
        while ahead:
            name = ahead.pop()
            if name not in reached:
                reached.add(name)
                ahead += [target for _, target, _ in targets[name]]
        for name in states:
            if name not in reached:
                self.problems.append(
                    Problem(TARGET, f'State "{name}" is not reachable.', f"{at}/States/{name}")
                )

    def _language(self, holder: Shape, at: str, outer: str) -> str:
        language = holder.get("QueryLanguage", outer)
        if language not in (JSONPATH, JSONATA):
            self._schema("QueryLanguage is JSONPath or JSONata", f"{at}/QueryLanguage")
            return outer
        if outer == JSONATA and language == JSONPATH:
            self._schema("A state machine in JSONata has no states in JSONPath", f"{at}/QueryLanguage")
        return str(language)

    # States

    def state(self, state: Any, at: str, language: str) -> None:
        """Check one state."""
        if not self._is_object(state, at):
            return
        kind = _TYPES.get(state.get("Type", ""))
        if kind is None:
            self._schema(f"Type must be one of {', '.join(sorted(_TYPES))}", f"{at}/Type")
            return
        language = self._language(state, at, language)
        ours, theirs = (
            (kind.jsonpath, kind.jsonata) if language == JSONPATH else (kind.jsonata, kind.jsonpath)
        )
        for field in state:
            if field in theirs - ours - kind.both:
                self._schema(f"The field '{field}' is not supported in {language}", f"{at}/{field}")
        moves = frozenset({"Next", "End"}) if kind.goes_on else frozenset()
        self._only(state, kind.both | kind.jsonpath | kind.jsonata | _OF_EVERY_STATE | moves, at)
        if kind.goes_on and ("Next" in state) == (state.get("End") is True):
            self._schema("A state has either Next, or End that is true", at)
        required = _REQUIRED.get(state["Type"])
        if required is not None and required not in state:
            self._schema(f"The field '{required}' is missing", at)
        self._values(state, at, language)
        self._recovery(state, at, language)
        of_type = {
            "Task": self._task,
            "Wait": self._wait,
            "Choice": self._choices,
            "Fail": self._fail,
            "Parallel": self._parallel,
            "Map": self._map,
        }
        if state["Type"] in of_type:
            of_type[state["Type"]](state, at, language)

    def _values(self, state: Shape, at: str, language: str) -> None:
        if language == JSONATA:
            for field in _JSONATA_FIELDS:
                self._jsonata(state.get(field), f"{at}/{field}")
        else:
            for field in _TEMPLATES:
                self._template(state.get(field), f"{at}/{field}")
            for field in _PATHS:
                if state.get(field) is not None:
                    self._path(state[field], f"{at}/{field}")
            for field in _DYNAMIC_PATHS:
                if field in state:
                    self._path(state[field], f"{at}/{field}")
            if state.get("ResultPath") is not None:
                self._reference(state["ResultPath"], f"{at}/ResultPath")
        for name in state["Assign"] if isinstance(state.get("Assign"), dict) else ():
            self._variable(name, f"{at}/Assign/{name}")

    def _variable(self, name: str, at: str) -> None:
        plain = name.removesuffix(".$")
        if plain == "states" or not _VARIABLE_NAME.fullmatch(plain):
            self._schema(f"'{plain}' is not the name of a variable", at)

    def _recovery(self, state: Shape, at: str, language: str) -> None:
        for field, fields in (("Retry", _RETRIER_FIELDS), ("Catch", _CATCHER_FIELDS)):
            if field not in state:
                continue
            rules = state[field]
            if not isinstance(rules, list):
                self._schema(f"{field} is an array", f"{at}/{field}")
                continue
            own = {"Output" if language == JSONATA else "ResultPath"} if field == "Catch" else set()
            for number, rule in enumerate(rules):
                place = f"{at}/{field}[{number}]"
                if not self._is_object(rule, place):
                    continue
                self._only(rule, fields | own, place)
                self._error_names(rule, place, is_last=number == len(rules) - 1)
                if field == "Retry":
                    self._retrier(rule, place)
                else:
                    self._catcher(rule, place, language)

    def _error_names(self, rule: Shape, at: str, is_last: bool) -> None:
        names = rule.get("ErrorEquals")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            self._schema("ErrorEquals is an array of at least one name", f"{at}/ErrorEquals")
            return
        if ALL in names and (len(names) > 1 or not is_last):
            self._schema(f"{ALL} stands alone, in the last rule", f"{at}/ErrorEquals")
        for name in names:
            if name.startswith("States.") and name not in RESERVED and not _HTTP_STATUS.fullmatch(name):
                self._schema(f"There is no error {name}", f"{at}/ErrorEquals")

    def _retrier(self, rule: Shape, at: str) -> None:
        self._seconds(rule, "IntervalSeconds", at, 1)
        self._seconds(rule, "MaxAttempts", at, 0)
        self._seconds(rule, "MaxDelaySeconds", at, 1)
        rate = rule.get("BackoffRate", 1)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or rate < 1:
            self._schema("BackoffRate is a number of at least 1", f"{at}/BackoffRate")
        self._choice(rule, "JitterStrategy", at)

    def _catcher(self, rule: Shape, at: str, language: str) -> None:
        if not isinstance(rule.get("Next"), str):
            self._schema("A catcher has a Next", f"{at}/Next")
        if language == JSONATA:
            self._jsonata(rule.get("Output"), f"{at}/Output")
            self._jsonata(rule.get("Assign"), f"{at}/Assign")
        else:
            self._template(rule.get("Assign"), f"{at}/Assign")
            if rule.get("ResultPath") is not None:
                self._reference(rule["ResultPath"], f"{at}/ResultPath")

    def _task(self, state: Shape, at: str, language: str) -> None:
        resource = state.get("Resource", "arn:")
        if not isinstance(resource, str) or not resource.startswith("arn:"):
            self._schema("The resource is not an ARN", f"{at}/Resource")
        self._one_at_most(state, ("TimeoutSeconds", "TimeoutSecondsPath"), at)
        self._one_at_most(state, ("HeartbeatSeconds", "HeartbeatSecondsPath"), at)
        for field in ("TimeoutSeconds", "HeartbeatSeconds"):
            self._seconds(state, field, at, 1, language)
        limit, beat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
        if isinstance(limit, int) and isinstance(beat, int) and beat >= limit:
            self._schema("HeartbeatSeconds is less than TimeoutSeconds", f"{at}/HeartbeatSeconds")

    def _wait(self, state: Shape, at: str, language: str) -> None:
        fields = [
            field for field in ("Seconds", "SecondsPath", "Timestamp", "TimestampPath") if field in state
        ]
        if len(fields) != 1:
            self._schema("A Wait state has exactly one of Seconds, SecondsPath, Timestamp, TimestampPath", at)
        self._seconds(state, "Seconds", at, 0, language)
        moment = state.get("Timestamp", "")
        is_expression = language == JSONATA and isinstance(moment, str) and EXPRESSION.fullmatch(moment)
        if (
            "Timestamp" in state
            and not is_expression
            and not (isinstance(moment, str) and _MOMENT.fullmatch(moment))
        ):
            self._schema("A timestamp looks like 2016-08-18T17:33:00Z", f"{at}/Timestamp")

    def _fail(self, state: Shape, at: str, _language: str) -> None:
        for field in ("Error", "Cause"):
            self._one_at_most(state, (field, f"{field}Path"), at)
            if field in state and not isinstance(state[field], str):
                self._schema(f"{field} is a string", f"{at}/{field}")
            path = state.get(f"{field}Path")
            if path is not None:
                self._path(path, f"{at}/{field}Path")

    def _parallel(self, state: Shape, at: str, language: str) -> None:
        branches = state.get("Branches", [{}])
        if not isinstance(branches, list) or not branches:
            self._schema("Branches is an array of at least one state machine", f"{at}/Branches")
            return
        if "Branches" in state:
            for number, branch in enumerate(branches):
                self.machine(branch, f"{at}/Branches[{number}]", language, _BRANCH_FIELDS)

    # Choice

    def _choices(self, state: Shape, at: str, language: str) -> None:
        rules = state.get("Choices", [{}])
        if not isinstance(rules, list) or not rules:
            self._schema("Choices is an array of at least one rule", f"{at}/Choices")
            return
        for number, rule in enumerate(rules if "Choices" in state else []):
            place = f"{at}/Choices[{number}]"
            if not self._is_object(rule, place):
                continue
            if not isinstance(rule.get("Next"), str):
                self._schema("A rule of a Choice state has a Next", f"{place}/Next")
            if language == JSONATA:
                self._only(rule, frozenset({"Condition", "Next", "Assign", "Output", "Comment"}), place)
                self._condition(rule, place)
            else:
                self._template(rule.get("Assign"), f"{place}/Assign")
                self._comparison(rule, place, frozenset({"Next", "Assign", "Comment"}))

    def _condition(self, rule: Shape, at: str) -> None:
        condition = rule.get("Condition")
        is_expression = isinstance(condition, str) and EXPRESSION.fullmatch(condition)
        if not is_expression and not isinstance(condition, bool):
            self._schema("Condition is a JSONata expression or a boolean", f"{at}/Condition")
        for field in ("Condition", "Assign", "Output"):
            self._jsonata(rule.get(field), f"{at}/{field}")

    def _comparison(self, rule: Any, at: str, more: frozenset[str]) -> None:
        if not self._is_object(rule, at):
            return
        operators = [operator_name for operator_name in rule if operator_name in COMPARISONS | _COMBINATIONS]
        self._only(rule, COMPARISONS | _COMBINATIONS | {"Variable"} | more, at)
        if len(operators) != 1:
            self._schema("A rule has exactly one comparison operator", at)
            return
        [operator] = operators
        if operator in _COMBINATIONS:
            inner = [rule[operator]] if operator == "Not" else rule[operator]
            if not isinstance(inner, list) or not inner:
                self._schema(f"{operator} is an array of rules", f"{at}/{operator}")
                return
            for number, inner_rule in enumerate(inner):
                place = f"{at}/{operator}" + ("" if operator == "Not" else f"[{number}]")
                self._comparison(inner_rule, place, frozenset({"Comment"}))
            return
        self._path(rule.get("Variable"), f"{at}/Variable")
        if operator.endswith("Path"):
            self._path(rule[operator], f"{at}/{operator}")
        elif problem := _operand_problem(operator, rule[operator]):
            self._schema(problem, f"{at}/{operator}")

    # Map

    def _map(self, state: Shape, at: str, language: str) -> None:
        self._one_at_most(state, ("ItemProcessor", "Iterator"), at)
        self._one_at_most(state, ("ItemSelector", "Parameters"), at)
        for field in ("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage"):
            self._one_at_most(state, (field, f"{field}Path"), at)
        field = "ItemProcessor" if "ItemProcessor" in state else "Iterator"
        if field not in state:
            self._schema("The field 'ItemProcessor' is missing", at)
            return
        processor = state[field]
        self.machine(processor, f"{at}/{field}", language, _PROCESSOR_FIELDS)
        config = processor.get("ProcessorConfig") if isinstance(processor, dict) else None
        self._object(config, "ProcessorConfig", f"{at}/{field}/ProcessorConfig")
        is_distributed = isinstance(config, dict) and config.get("Mode") == DISTRIBUTED
        if is_distributed and isinstance(config, dict) and "ExecutionType" not in config:
            self._schema("ExecutionType is missing", f"{at}/{field}/ProcessorConfig")
        for name in _DISTRIBUTED_ONLY:
            if name in state and not is_distributed:
                self._schema(f"'{name}' needs a Map in mode {DISTRIBUTED}", f"{at}/{name}")
        self._seconds(state, "MaxConcurrency", at, 0, language)
        self._seconds(state, "ToleratedFailureCount", at, 0, language)
        self._percentage(state, at, language)
        label = state.get("Label", "-")
        if not isinstance(label, str) or not 0 < len(label) <= LONGEST_LABEL:
            self._schema(f"A label has at most {LONGEST_LABEL} characters", f"{at}/Label")
        self._data_of_map(state, at, language)

    def _percentage(self, state: Shape, at: str, language: str) -> None:
        share = state.get("ToleratedFailurePercentage", 0)
        if language == JSONATA and isinstance(share, str) and EXPRESSION.fullmatch(share):
            return
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 100:
            self._schema("A percentage is from 0 to 100", f"{at}/ToleratedFailurePercentage")

    def _data_of_map(self, state: Shape, at: str, language: str) -> None:
        for field in ("ItemReader", "ItemBatcher", "ResultWriter"):
            value, place = state.get(field), f"{at}/{field}"
            self._object(value, field, place)
            if not isinstance(value, dict):
                continue
            if language == JSONPATH:
                self._template(value.get("Parameters"), f"{place}/Parameters")
                self._template(value.get("BatchInput"), f"{place}/BatchInput")
            for inner in ("ReaderConfig", "WriterConfig"):
                self._object(value.get(inner), inner, f"{place}/{inner}")
        reader = state.get("ItemReader")
        if isinstance(reader, dict):
            self._reader(reader, f"{at}/ItemReader")
        batcher = state.get("ItemBatcher")
        if isinstance(batcher, dict) and not set(batcher) - {"BatchInput"}:
            self._schema("MaxItemsPerBatch or MaxInputBytesPerBatch is missing", f"{at}/ItemBatcher")
        writer = state.get("ResultWriter")
        if isinstance(writer, dict) and not {"Resource", "WriterConfig"} & set(writer):
            self._schema("Resource or WriterConfig is missing", f"{at}/ResultWriter")
        if isinstance(writer, dict) and writer.get("Resource", S3_PUT) != S3_PUT:
            self._schema(f"The resource is {S3_PUT}", f"{at}/ResultWriter/Resource")

    def _reader(self, reader: Shape, at: str) -> None:
        if reader.get("Resource") not in (S3_GET, S3_LIST):
            self._schema(f"The resource is {S3_GET} or {S3_LIST}", f"{at}/Resource")
        config = reader.get("ReaderConfig")
        config = config if isinstance(config, dict) else {}
        if reader.get("Resource") == S3_GET and "InputType" not in config:
            self._schema("InputType is missing", f"{at}/ReaderConfig")
        self._one_at_most(config, ("MaxItems", "MaxItemsPath"), f"{at}/ReaderConfig")
        if config.get("CSVHeaderLocation") == "GIVEN" and not isinstance(config.get("CSVHeaders"), list):
            self._schema("CSVHeaders are missing", f"{at}/ReaderConfig")
        if config.get("InputType") == "CSV" and "CSVHeaderLocation" not in config:
            self._schema("CSVHeaderLocation is missing", f"{at}/ReaderConfig")

    # Values

    def _object(self, value: Any, name: str, at: str) -> None:
        if value is None:
            return
        if self._is_object(value, at):
            self._only(value, _OBJECTS[name], at)
            for field in _CHOICES:
                if field in _OBJECTS[name]:
                    self._choice(value, field, at)

    def _choice(self, holder: Shape, field: str, at: str) -> None:
        if isinstance(holder, dict) and field in holder and holder[field] not in _CHOICES[field]:
            self._schema(f"{field} is one of {', '.join(sorted(_CHOICES[field]))}", f"{at}/{field}")

    def _seconds(self, holder: Shape, field: str, at: str, least: int, language: str = JSONPATH) -> None:
        value = holder.get(field, least)
        if language == JSONATA and isinstance(value, str) and EXPRESSION.fullmatch(value):
            return
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LONGEST_SECONDS:
            self._schema(f"{field} is an integer from {least} to {LONGEST_SECONDS}", f"{at}/{field}")

    def _template(self, value: Any, at: str) -> None:
        """A payload template: fields whose names end in ``.$`` are paths or intrinsic functions."""
        if isinstance(value, list):
            for number, item in enumerate(value):
                self._template(item, f"{at}[{number}]")
        elif isinstance(value, dict):
            for name, member in value.items():
                if name.endswith(".$"):
                    self._path(member, f"{at}/{name}")
                else:
                    self._template(member, f"{at}/{name}")

    def _jsonata(self, value: Any, at: str) -> None:
        """Expressions in ``{%`` and ``%}``, wherever they stand in a value."""
        if isinstance(value, list):
            for number, item in enumerate(value):
                self._jsonata(item, f"{at}[{number}]")
        elif isinstance(value, dict):
            for name, member in value.items():
                self._jsonata(member, f"{at}/{name}")
        elif isinstance(value, str) and (expression := EXPRESSION.fullmatch(value)):
            try:
                jsonata.check(expression[1].strip())
            except jsonata.QueryError as error:
                self._schema(f"The JSONata expression '{expression[1].strip()}' {error}", at)

    def _path(self, value: Any, at: str) -> None:
        if not isinstance(value, str):
            self._schema("A path is a string", at)
        elif value.startswith("States."):
            try:
                intrinsics.parse(value)
            except intrinsics.IntrinsicError as error:
                self._schema(f"The value is not a valid intrinsic function: {error}", at)
        elif not value.startswith("$"):
            self._schema(f"The value '{value}' is neither a path nor an intrinsic function", at)

    def _reference(self, value: Any, at: str) -> None:
        if not isinstance(value, str) or not value.startswith("$") or re.search(r"[*?@:,]|\.\.", value):
            self._schema(f"The value '{value}' is not a reference path", at)

    def _one_at_most(self, holder: Shape, fields: Iterable[str], at: str) -> None:
        present = [field for field in fields if field in holder]
        if len(present) > 1:
            self._schema(f"{' and '.join(present)} exclude each other", at)

    def _only(self, holder: Shape, fields: frozenset[str] | set[str], at: str) -> None:
        for field in holder:
            if field not in fields:
                self._schema(f"The field '{field}' is not supported", f"{at}/{field}")

    def _is_object(self, value: Any, at: str) -> bool:
        if not isinstance(value, dict):
            self._schema("An object is expected", at)
        return isinstance(value, dict)

    def _schema(self, message: str, at: str) -> None:
        self.problems.append(Problem(SCHEMA, message, at))


def _targets(state: Shape, at: str) -> Iterable[tuple[str, str, str]]:
    """Where a state may go on: the field, the name, its place."""
    for field in ("Next", "Default"):
        if isinstance(state.get(field), str):
            yield field, state[field], f"{at}/{field}"
    for field in ("Catch", "Choices"):
        rules = state.get(field)
        for number, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict) and isinstance(rule.get("Next"), str):
                yield "Next", rule["Next"], f"{at}/{field}[{number}]/Next"


def _operand_problem(operator: str, operand: Any) -> str | None:
    """What is wrong with the literal that an operator compares with."""
    kinds: dict[str, tuple[Callable[[Any], bool], str]] = {
        "Is": (lambda operand: isinstance(operand, bool), "a boolean"),
        "Boolean": (lambda operand: isinstance(operand, bool), "a boolean"),
        "Numeric": (
            lambda operand: isinstance(operand, int | float) and not isinstance(operand, bool),
            "a number",
        ),
        "String": (lambda operand: isinstance(operand, str), "a string"),
        "Timestamp": (
            lambda operand: isinstance(operand, str) and bool(_MOMENT.fullmatch(operand)),
            "a timestamp",
        ),
    }
    fits, what = next(kind for prefix, kind in kinds.items() if operator.startswith(prefix))
    return None if fits(operand) else f"{operator} compares with {what}"
