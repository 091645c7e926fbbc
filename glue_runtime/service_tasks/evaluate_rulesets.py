"""Evaluates rulesets over a table of the catalog."""

from __future__ import annotations

from awsgluedq.transforms import evaluate, results_of, write_results
from service_task import ServiceTask


def main() -> None:
    task = ServiceTask()
    frame = task.table(task.work["source"]).cache()
    others = {alias: task.table(source) for alias, source in task.work["others"].items()}
    answers = []
    for ruleset in task.work["rulesets"]:
        outcomes = evaluate(frame, ruleset["text"], others)
        if task.work["prefix"]:
            write_results(task.work["prefix"], ruleset["name"], outcomes)
        answers.append({"ruleset": ruleset["name"], "results": results_of(outcomes)})
    task.answer({"rows": frame.count(), "rulesets": answers})


if __name__ == "__main__":
    main()
