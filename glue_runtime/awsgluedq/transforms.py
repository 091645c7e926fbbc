"""``EvaluateDataQuality``: a ruleset evaluated over a frame."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from functools import reduce
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from awsglue._refuse import refuse
from awsglue.dynamicframe import DynamicFrame, DynamicFrameCollection
from awsglue.transforms.base import GlueTransform
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.utils import AnalysisException

from awsgluedq import rules
from awsgluedq.dqdl import Composite, Rule, parse
from awsgluedq.rules import Data, Finding

_NAMESPACE = "Glue Data Quality"
_OUTCOMES = (
    "Rule string, Outcome string, FailureReason string, EvaluatedMetrics map<string,double>, "
    "EvaluatedRule string"
)
Outcome = Tuple[Union[Rule, Composite], Finding]


class EvaluateDataQuality(GlueTransform):
    """Evaluates rules of DQDL.

    Examples
    --------
    >>> EvaluateDataQuality.apply(frame=f, ruleset='Rules = [ IsComplete "id" ]')  # doctest: +SKIP
    """

    def __call__(
        self,
        frame: DynamicFrame,
        ruleset: str,
        publishing_options: Optional[Mapping[str, Any]] = None,
        additional_data_sources: Optional[Mapping[str, DynamicFrame]] = None,
        additional_options: Optional[Mapping[str, Any]] = None,
        **_options: Any,
    ) -> DynamicFrame:
        """The outcomes of the rules.

        Parameters
        ----------
        frame : DynamicFrame
            The primary data source.
        ruleset : str
        publishing_options : mapping, optional
            ``dataQualityEvaluationContext``, ``enableDataQualityCloudWatchMetrics``, ``resultsS3Prefix``.
        additional_data_sources : mapping, optional
            Frames by the aliases that rules name.
        additional_options : mapping, optional

        Returns
        -------
        DynamicFrame
            ``Rule``, ``Outcome`` (``Passed`` or ``Failed``), ``FailureReason``, ``EvaluatedMetrics``,
            ``EvaluatedRule``.
        """
        outcomes, _ = _evaluate(frame, ruleset, additional_data_sources, publishing_options or {})
        return _outcomes_frame(frame, outcomes)

    def process_rows(
        self,
        frame: DynamicFrame,
        ruleset: str,
        publishing_options: Optional[Mapping[str, Any]] = None,
        additional_options: Optional[Mapping[str, Any]] = None,
        additional_data_sources: Optional[Mapping[str, DynamicFrame]] = None,
        **_options: Any,
    ) -> DynamicFrameCollection:
        """The outcomes of the rules, and of which rows they were.

        Parameters
        ----------
        frame, ruleset, publishing_options, additional_data_sources
            As of the call.
        additional_options : mapping, optional
            ``compositeRuleEvaluation.method`` ``ROW`` is refused; the others change no answer.

        Returns
        -------
        DynamicFrameCollection
            ``ruleOutcomes``, ``rowLevelOutcomes``, ``originalData``.
        """
        options = dict(additional_options or {})
        if str(options.get("compositeRuleEvaluation.method", "COLUMN")).upper() == "ROW":
            refuse("EvaluateDataQuality", "compositeRuleEvaluation.method ROW")
        outcomes, df = _evaluate(frame, ruleset, additional_data_sources, publishing_options or {})
        context = frame.glue_ctx
        frames = {
            "ruleOutcomes": _outcomes_frame(frame, outcomes),
            "rowLevelOutcomes": DynamicFrame.fromDF(_by_row(df, outcomes), context, "rowLevelOutcomes"),
            "originalData": frame,
        }
        return DynamicFrameCollection(frames, context)


def _evaluate(
    frame: DynamicFrame,
    ruleset: str,
    sources: Optional[Mapping[str, DynamicFrame]],
    publishing: Mapping[str, Any],
) -> Tuple[List[Outcome], DataFrame]:
    df = frame.toDF()
    started = time.time()
    outcomes = evaluate(
        df, ruleset, {alias: source_frame.toDF() for alias, source_frame in (sources or {}).items()}
    )
    _publish(outcomes, publishing, started)
    return outcomes, df


def evaluate(df: DataFrame, ruleset: str, others: Mapping[str, DataFrame]) -> List[Outcome]:
    """What became of each rule of a ruleset.

    Parameters
    ----------
    df : DataFrame
        The primary data source.
    ruleset : str
    others : mapping
        Additional data sources by alias.

    Raises
    ------
    DqdlError
        If the ruleset is not of the language.
    NotImplementedError
        For what of the language is not here.
    """
    parsed = parse(ruleset)
    if parsed.analyzers:
        refuse("EvaluateDataQuality", "Analyzers")
    data = Data(df, others)
    return [(rule, _of(rule, data)) for rule in parsed.rules]


def _of(rule: Union[Rule, Composite], data: Data) -> Finding:
    if isinstance(rule, Composite):
        return _of_composite(rule, [_of(part, data) for part in rule.parts])
    try:
        return rules.evaluate(rule, data)
    except (LookupError, AnalysisException) as error:
        return Finding(False, {}, str(error.args[0] if error.args else error))


def _of_composite(rule: Composite, parts: List[Finding]) -> Finding:
    passed = [part.is_passed for part in parts]
    is_passed = all(passed) if rule.operator == "and" else any(passed)
    metrics = {name: value for part in parts for name, value in part.metrics.items()}
    reasons = [part.reason for part in parts if part.reason]
    columns = [part.rows for part in parts]
    rows: Optional[Column] = None
    if all(column is not None for column in columns):
        joined = Column.__and__ if rule.operator == "and" else Column.__or__
        rows = reduce(joined, columns)  # type: ignore[arg-type]
    return Finding(is_passed, metrics, None if is_passed else "; ".join(reasons), rows)


def _outcomes_frame(frame: DynamicFrame, outcomes: List[Outcome]) -> DynamicFrame:
    session = frame.glue_ctx.spark_session
    rows = [
        (
            rule.text,
            "Passed" if finding.is_passed else "Failed",
            finding.reason,
            {name: float(value) for name, value in finding.metrics.items()},
            rule.text,
        )
        for rule, finding in outcomes
    ]
    return DynamicFrame.fromDF(session.createDataFrame(rows, _OUTCOMES), frame.glue_ctx, "ruleOutcomes")


def _by_row(df: DataFrame, outcomes: List[Outcome]) -> DataFrame:
    judged = [(rule.text, finding.rows) for rule, finding in outcomes if finding.rows is not None]
    skipped = [rule.text for rule, finding in outcomes if finding.rows is None]
    names = [f"__rule{number}" for number in range(len(judged))]
    for name, (_, column) in zip(names, judged, strict=True):
        df = df.withColumn(name, column)

    def texts(wanted: bool) -> Column:
        chosen = [
            F.when(F.col(name) == F.lit(wanted), F.lit(text))
            for name, (text, _) in zip(names, judged, strict=True)
        ]
        rule_names = F.array(*chosen) if chosen else F.array().cast("array<string>")
        return F.filter(rule_names, lambda name: name.isNotNull())

    unseen = [
        F.when(F.col(name).isNull(), F.lit(text)) for name, (text, _) in zip(names, judged, strict=True)
    ]
    unjudged = F.array(*(F.lit(text) for text in skipped), *unseen).cast("array<string>")
    skips = F.filter(unjudged, lambda name: name.isNotNull())
    failed = texts(wanted=False)
    return (
        df.withColumn("DataQualityRulesPass", texts(wanted=True))
        .withColumn("DataQualityRulesFail", failed)
        .withColumn("DataQualityRulesSkip", skips)
        .withColumn("DataQualityEvaluationResult", F.when(F.size(failed) == 0, "Passed").otherwise("Failed"))
        .drop(*names)
    )


def _publish(outcomes: List[Outcome], options: Mapping[str, Any], started: float) -> None:
    context = str(options.get("dataQualityEvaluationContext") or "EvaluateDataQuality")
    passed = sum(finding.is_passed for _, finding in outcomes)
    if _is_on(options, "enableDataQualityCloudWatchMetrics"):
        import boto3

        counts = {"passed": passed, "failed": len(outcomes) - passed}
        boto3.client("cloudwatch").put_metric_data(
            Namespace=_NAMESPACE,
            MetricData=[
                {
                    "MetricName": f"glue.data.quality.rules.{name}",
                    "Dimensions": [{"Name": "EvaluationContext", "Value": context}],
                    "Value": float(value),
                    "Unit": "Count",
                }
                for name, value in counts.items()
            ],
        )
    if _is_on(options, "enableDataQualityResultsPublishing"):
        _tell_the_service(context, outcomes, started)
    prefix = str(options.get("resultsS3Prefix") or "")
    if prefix:
        write_results(prefix, context, outcomes)


def _tell_the_service(context: str, outcomes: List[Outcome], started: float) -> None:
    """Leave the results where Glue's data quality takes them from at the end of the run."""
    file = os.environ.get("MILLPOND_GLUE_QUALITY_FILE")
    if not file:
        passed = sum(finding.is_passed for _, finding in outcomes)
        sys.stderr.write(
            f"Results of {context} are not published to AWS Glue Data Quality, as this is no run of a job: "
            f"{passed} of {len(outcomes)} rules passed.\n"
        )
        return
    report = {
        "context": context,
        "started": started,
        "completed": time.time(),
        "results": results_of(outcomes),
    }
    with Path(file).open("a", encoding="utf-8") as results:
        results.write(json.dumps(report) + "\n")


def _is_on(options: Mapping[str, Any], name: str) -> bool:
    return str(options.get(name, "")).lower() == "true"


def results_of(outcomes: List[Outcome]) -> List[Dict[str, Any]]:
    """The outcomes as they are published: ``PASS`` or ``FAIL`` of each rule, with its metrics."""
    return [
        {
            "Description": rule.text,
            "Result": "PASS" if finding.is_passed else "FAIL",
            "EvaluationMessage": finding.reason,
            "EvaluatedMetrics": {name: float(value) for name, value in finding.metrics.items()},
        }
        for rule, finding in outcomes
    ]


def write_results(prefix: str, context: str, outcomes: List[Outcome]) -> None:
    """Write the outcomes below a prefix in S3, as a document of JSON."""
    import boto3
    from awsglue._files import bucket_and_key

    bucket, key = bucket_and_key(prefix if "://" in prefix else f"s3://{prefix}")
    body = {
        "EvaluationContext": context,
        "CompletedOn": int(time.time() * 1000),
        "RuleResults": results_of(outcomes),
    }
    name = f"{key.rstrip('/')}/{context}/{uuid.uuid4()}.json".lstrip("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=name, Body=json.dumps(body).encode())
