"""What is there, as documents made from the tables that the code itself is run by.

``python -m millpond.localstack_ext.coverage docs/coverage`` writes them anew; a test compares them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from millpond.localstack_ext.cloudformation.providers import theirs
from millpond.localstack_ext.cloudformation.resources import SETTLINGS
from millpond.localstack_ext.cloudformation.served import refused
from millpond.localstack_ext.cloudformation.table import TABLE
from millpond.localstack_ext.engine.dispatch import answers
from millpond.localstack_ext.engine.refusals import REFUSED, WITHOUT_EFFECT
from millpond.localstack_ext.kept.operations import KEPT
from millpond.localstack_ext.kept.services import answers_of
from millpond.localstack_ext.pipes.provider import OPERATIONS as PIPES
from millpond.planes.athena.operations import OPERATIONS as ATHENA
from millpond.planes.codebuild.operations import OPERATIONS as CODEBUILD
from millpond.planes.common.operations import Answer, Operations
from millpond.planes.firehose.operations import OPERATIONS as FIREHOSE
from millpond.planes.glue.arguments import ARGUMENTS, Effect
from millpond.planes.glue.operations import OPERATIONS as GLUE
from millpond.planes.kinesis.operations import OPERATIONS as KINESIS

MEANINGS = {
    Answer.OWN: "Millpond does what AWS does",
    Answer.ENGINE: "the engine's own implementation answers",
    Answer.KEPT: "what is created can be read, listed and deleted; nothing comes of it",
    Answer.REFUSED: "an error of AWS's form; nothing is done",
}


def operations_document(operations: Operations) -> str:
    """What becomes of each operation of a service."""
    answer_of = answers(operations.service, operations)
    count = Counter(answer_of.values())
    return "\n".join(
        [
            f"# Operations of {operations.service}",
            "",
            *_table(
                ("answer", "operations", "meaning"),
                [(answer.value, str(count[answer]), MEANINGS[answer]) for answer in Answer],
            ),
            "",
            *_table(("operation", "answer"), [(name, answer_of[name].value) for name in sorted(answer_of)]),
            "",
        ]
    )


def arguments_document() -> str:
    """What becomes of each argument that Glue keeps for itself."""
    count = Counter(effect for effect, _ in ARGUMENTS.values())
    shown = ", ".join(f"{count[effect]} {effect.value}" for effect in Effect)
    rows = [(f"`{name}`", effect.value, note) for name, (effect, note) in sorted(ARGUMENTS.items())]
    return "\n".join(
        [
            "# Arguments of Glue jobs",
            "",
            f"What Glue acts on and a script does not see: {shown}. Any other argument is the script's.",
            "",
            *_table(("argument", "here", ""), rows),
            "",
        ]
    )


def types_document() -> str:
    """Which resource types CloudFormation makes, and what makes them."""
    rows = [
        (
            f"`{kind}`",
            row.service,
            "changed in place, replaced" if row.update else "replaced",
            "yes" if row.read else "no",
            f"refused: {', '.join(missing)}" if (missing := refused(row)) else "made",
        )
        for kind, row in sorted(TABLE.items())
    ]
    others = sorted(set(theirs()) - set(TABLE))
    return "\n".join(
        [
            "# Resource types of CloudFormation",
            "",
            "`Custom::` types and `AWS::CloudFormation::CustomResource` ask their function or topic, and",
            "`AWS::CloudFormation::Stack` makes stacks. A type that is not below is refused before there is",
            "a stack, and a property that would be left out fails its resource with its name.",
            "",
            "## Types of the table",
            "",
            *_table(("type", "service", "updates", "drift", "here"), rows),
            "",
            "## Types of the engine",
            "",
            "Their properties are the engine's, and those that it cannot change in place refuse an update.",
            "",
            *(
                f"- `{kind}`{', whose properties are set anew' if kind in SETTLINGS else ''}"
                for kind in others
            ),
            "",
        ]
    )


def kept_document() -> str:
    """Services whose resources are kept and without effect."""
    by_service = {name: answers_of(name) for name in sorted(KEPT)}
    rows = [
        (
            name,
            ", ".join(f"`{operation}`" for operation, answer in sorted(of.items()) if answer is Answer.KEPT),
            str(sum(answer is Answer.REFUSED for answer in of.values())),
        )
        for name, of in by_service.items()
    ]
    return "\n".join(
        [
            "# Services that are kept and without effect",
            "",
            "What is created can be read, listed, tagged, changed and deleted; nothing comes of it.",
            "Every other operation of them is refused by its name with status 400, as is every service that",
            "the engine does not have.",
            "",
            *_table(("service", "kept without effect", "refused"), rows),
            "",
            "## Of services that act",
            "",
            "Some of their operations are without effect, too:",
            "",
            *_table(("service", "operation", "what does not happen"), _of_operations(WITHOUT_EFFECT)),
            "",
            "These are refused, for nothing would come of them:",
            "",
            *_table(("service", "operation", "why"), _of_operations(REFUSED)),
            "",
        ]
    )


def _of_operations(table: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str, str]]:
    return [
        (service, f"`{operation}`", reason)
        for service, operations in sorted(table.items())
        for operation, reason in sorted(operations.items())
    ]


DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "cloudformation-types.md": types_document,
    "athena-operations.md": lambda: operations_document(ATHENA),
    "codebuild-operations.md": lambda: operations_document(CODEBUILD),
    "firehose-operations.md": lambda: operations_document(FIREHOSE),
    "glue-arguments.md": arguments_document,
    "glue-operations.md": lambda: operations_document(GLUE),
    "kept-services.md": kept_document,
    "kinesis-operations.md": lambda: operations_document(KINESIS),
    "pipes-operations.md": lambda: operations_document(PIPES),
}


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def main(directory: Path) -> None:
    """Write every document."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in DOCUMENTS.items():
        (directory / name).write_text(document())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
