"""media/Architecture.png: from the on-premises site to Athena, with the ingest drawn state by state."""

from __future__ import annotations

from pathlib import Path

from diagrams import Node
from diagrams.aws.analytics import Athena, Glue, GlueDataCatalog
from diagrams.aws.compute import Lambda
from diagrams.aws.database import DynamodbTable
from diagrams.aws.integration import SNS
from diagrams.aws.management import (
    Cloudwatch,
    CloudwatchAlarm,
    CloudwatchEventEventBased,
    CloudwatchEventTimeBased,
    CloudwatchLogs,
    SystemsManagerParameterStore,
)
from diagrams.aws.network import Endpoint, SiteToSiteVpn, VPCCustomerGateway, VpnGateway
from diagrams.aws.security import IAMRole, KeyManagementService, SecretsManager
from diagrams.aws.storage import S3
from diagrams.onprem.client import User, Users
from diagrams.onprem.database import PostgreSQL
from picture import (
    CONTROL,
    FAILURE,
    Picture,
    box,
    control,
    data,
    failure,
    group,
    icon,
    left_text,
    point,
    text,
    watch,
)

MAIN, ASIDE, FAILED = 425, 632, 803
WIDE = 158
FRAME = {"style": "rounded,filled", "fillcolor": "white", "color": CONTROL, "penwidth": "1.6"}


def task(name: str, does: str, service: type[Node], x: int, y: int, width: int = WIDE) -> Node:
    """A state that calls a service."""
    placed = box("", x, y, width, 38, **FRAME)
    icon(service, "", x - width // 2 + 19, y, 26)
    text(f"{name}\n{does}", x + 14, y)
    return placed


def choice(name: str, x: int, y: int, width: int = 146) -> Node:
    """A state that decides."""
    return box(name, x, y, width, 26, style="filled", fillcolor="#f9d9e8", color=CONTROL, penwidth="1")


def failed(name: str, x: int, y: int) -> Node:
    """A state that says what failed."""
    return box(name, x, y, 122, 26, style="rounded,filled", fillcolor="white", color=FAILURE, penwidth="1.6")


def end(name: str, x: int, y: int, color: str = CONTROL, width: int = 122) -> Node:
    """A state after which nothing follows."""
    return box(name, x, y, width, 26, style="rounded,filled", fillcolor=color, color=color, fontcolor="white")


def draw() -> None:
    """Where rows go, what the state machine does, who is told, and what protects it."""
    _groups()
    _data_path()
    _around_the_map()
    _each_table()
    _below()


def _groups() -> None:
    group("On-premises site", (8, 8, 286, 128), "#fdf6ec", "#d68910")
    group("VPC · private subnets", (8, 216, 286, 662), "#f3f9f0", "#4d8b31")
    group("Data lake", (8, 682, 286, 796), "#eef7ec", "#1b660f")
    group("Who asks", (8, 844, 286, 952), "#f7f8fa", "#879196")
    group("Started by", (296, 8, 892, 112), "#fbf0f6", CONTROL)
    group("Step Functions", (296, 136, 892, 1012), "#fbf0f6", CONTROL)
    group("IngestTables · EachTable of a batch", (304, 264, 884, 884), "#ffffff", CONTROL)
    group("Knows what to do", (8, 1036, 404, 1160), "#f7f8fa", "#879196")
    group("Protects", (414, 1036, 606, 1160), "#fdeeee", "#c0392b")
    group("Watches and tells", (616, 1036, 892, 1160), "#eef0fd", "#3f48cc")


def _data_path() -> None:
    database = icon(PostgreSQL, "operational\ndatabase", 74, 58)
    customer = icon(VPCCustomerGateway, "customer\ngateway", 222, 58)
    tunnel = icon(SiteToSiteVpn, "", 222, 172)
    text("two IPsec tunnels", 126, 172)
    gateway = icon(VpnGateway, "", 222, 270)
    text("VPN gateway", 144, 270)
    text("one read-only\nsnapshot a table", 82, 332)
    shell = icon(Glue, "Python shell job\nsmall tables", 82, 420)
    spark = icon(Glue, "Spark job\nlarge tables", 222, 420)
    endpoint = icon(Endpoint, "gateway endpoints of\nS3 and DynamoDB", 147, 540)
    text("security groups:\nto database and\nendpoints alone", 222, 630)
    raw = icon(S3, "raw\nParquet", 147, 732)
    curated = icon(S3, "curated\nIceberg", 238, 732)
    catalog = icon(GlueDataCatalog, "Glue\ncatalog", 56, 732)
    athena = icon(Athena, "Athena", 204, 896)
    analysts = icon(Users, "analysts", 94, 896)

    database >> data() >> customer >> data() >> tunnel >> data() >> gateway
    gateway >> data() >> shell
    gateway >> data() >> spark
    shell >> data(tailport="s") >> endpoint
    spark >> data(tailport="s") >> endpoint
    endpoint >> data() >> raw >> data() >> curated >> data(tailport="s") >> athena >> data() >> analysts
    catalog >> watch(tailport="s") >> athena


def _around_the_map() -> None:
    icon(CloudwatchEventTimeBased, "time-based rule", 386, 58)
    icon(CloudwatchEventEventBased, "event-based rule:\na file in raw/drop/", 594, 54)
    icon(User, "by hand", 804, 58)
    validate = choice("Validate", MAIN, 176)
    plan = task("Plan", "tables, engines", Lambda, MAIN, 230)
    unplanned = task("ReportNoPlan", "operators", SNS, ASIDE, 204, 150)
    not_planned = end("NotPlanned", FAILED, 204, FAILURE)
    point(MAIN, 112) >> control() >> validate >> control() >> plan
    validate >> failure(headport="w") >> unplanned
    plan >> failure(headport="w") >> unplanned >> failure() >> not_planned
    plan >> control() >> point(MAIN, 264)

    summarise = task("Summarise", "notify", Lambda, MAIN, 920)
    report = task("Report", "consumers", SNS, ASIDE, 920, 140)
    all_ingested = choice("AllIngested", FAILED, 920, 122)
    task("CompactQuarantine", "ExpireQuarantine", Athena, MAIN, 978, 176)
    ingested = end("Ingested", ASIDE, 978, "#1b660f")
    not_all = end("NotAllIngested", FAILED, 978, FAILURE)
    point(MAIN, 884) >> control() >> summarise >> control() >> report >> control() >> all_ingested
    all_ingested >> control() >> ingested
    all_ingested >> failure() >> not_all


def _each_table() -> None:
    check = task("CheckSchema", "register", Lambda, MAIN, 312)
    check_all = task("CheckSchemas", "small tables", Lambda, ASIDE, 302)
    batch = task("IngestBatch", "all in one run", Glue, FAILED, 302, 146)
    task("ReadBatchedRun", "then as ReadRun", DynamodbTable, ASIDE, 766, 164)
    allowed = choice("DoesPolicyAllow", MAIN, 366)
    ask = task("RequestApproval", "a person", Lambda, ASIDE, 366, 164)
    rejected = failed("Rejected", FAILED, 344)
    nobody = failed("NobodyAnswered", FAILED, 388)
    register = task("RegisterApproved", "register", Lambda, ASIDE, 432, 164)
    which = choice("WhichEngine", MAIN, 432)
    either = box("", MAIN, 496, 232, 52, style="rounded,dashed", color=CONTROL)
    box("IngestByShell\nGlue", MAIN - 56, 496, 106, 38, **FRAME)
    box("IngestBySpark\nGlue", MAIN + 56, 496, 106, 38, **FRAME)
    again = choice("IsWorthAnotherRun", ASIDE, 480, 140)
    read_failed = task("ReadFailedRun", "what it wrote", DynamodbTable, ASIDE, 530)
    read_run = task("ReadRun", "what landed", DynamodbTable, MAIN, 556)
    rows = task("CheckRows", "counts, keys", Athena, MAIN, 612)
    read_check = task("ReadCheck", "the answer", Athena, MAIN, 668)
    sound = choice("AreRowsSound", MAIN, 718)
    commit = task("Commit", "watermark", DynamodbTable, MAIN, 768)
    due = choice("IsMaintenanceDue", MAIN, 820)
    compact = task("Compact", "OPTIMIZE", Athena, ASIDE, 820, 136)
    expire = task("ExpireSnapshots", "VACUUM", Athena, FAILED, 820, 154)
    committed = end("Committed", MAIN, 862, "#1b660f")
    record = task("RecordFailure", "why", DynamodbTable, FAILED, 590, 146)
    release = task("ReleaseLease", "for others", DynamodbTable, FAILED, 652, 146)
    lost = end("NotIngested", FAILED, 712, FAILURE)

    check_all >> control() >> batch
    check >> control() >> allowed >> control() >> which
    allowed >> control() >> ask >> control() >> register >> control() >> which
    ask >> failure(headport="w") >> rejected
    ask >> failure(headport="w") >> nobody
    which >> control() >> either >> control() >> read_run
    either >> failure(tailport="e", headport="w") >> read_failed >> failure() >> again
    again >> control(tailport="w") >> which
    read_run >> control() >> rows >> control() >> read_check >> control() >> sound >> control() >> commit
    commit >> control() >> due >> control() >> committed
    due >> control() >> compact >> control() >> expire
    for one in (nobody, again):
        one >> failure() >> record
    beside, above = point(879, 344), point(879, 590)
    rejected - failure() - beside - failure() - above
    above >> failure() >> record
    for one in (read_run, rows, sound, commit):
        one >> failure(tailport="e", headport="w") >> record
    record >> failure() >> release >> failure() >> lost
    either >> control(style="dotted") >> point(286, 496)
    text("asks", 527, 357)
    text("approved", 668, 399)
    text("takes it", 455, 399)
    text("again", 526, 446)
    text("due", 528, 811)
    text("sound", 400, 742)


def _below() -> None:
    icon(DynamodbTable, "job_settings\ntable_structures", 66, 1084)
    icon(DynamodbTable, "ingest_runs", 178, 1084)
    icon(SystemsManagerParameterStore, "Parameter\nStore", 266, 1084)
    icon(SecretsManager, "Secrets\nManager", 354, 1084)
    icon(IAMRole, "IAM: a role\nfor each part", 464, 1084)
    icon(KeyManagementService, "KMS: one\nkey for data", 560, 1084)
    icon(CloudwatchLogs, "logs", 654, 1084)
    icon(Cloudwatch, "metrics", 718, 1084)
    icon(CloudwatchAlarm, "alarms", 782, 1084)
    icon(SNS, "topics", 848, 1084)
    legend = (
        (8, data(), "rows"),
        (120, control(), "what comes next, who is asked"),
        (418, watch(), "looks up"),
        (560, failure(), "where a failure leads"),
    )
    for x, edge, words in legend:
        point(x, 1182) >> edge >> point(x + 44, 1182)
        left_text(words, x + 48, 1182)


ARCHITECTURE = Picture(
    Path(__file__).parent / "Architecture.png", "From the on-premises database to Athena", draw
)
