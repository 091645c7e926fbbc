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
from diagrams.aws.network import (
    Endpoint,
    SiteToSiteVpn,
    VPCCustomerGateway,
    VPCElasticNetworkInterface,
    VpnGateway,
)
from diagrams.aws.security import SecretsManager
from diagrams.aws.storage import S3
from diagrams.onprem.client import Users
from diagrams.onprem.database import PostgreSQL
from picture import Picture, control, data, group, icon, watch

STATE = {
    "shape": "box",
    "style": "rounded,filled",
    "fillcolor": "white",
    "color": "#cd2264",
    "penwidth": "2",
    "margin": "0.18,0.12",
    "height": "0.7",
    "fixedsize": "false",
}


def state(name: str, does: str) -> Node:
    """A state of the state machine and what it does."""
    return Node(f"{name}\n{does}", **STATE)


def draw() -> None:
    """Where rows go, who asks whom, and who is told."""
    with group("On-premises site", "#fdf6ec", "#d68910"):
        database = icon(PostgreSQL, "operational database\nread-only snapshot")
        gateway = icon(VPCCustomerGateway, "customer gateway")
    with group("VPC · three zones · private subnets only", "#f3f9f0", "#4d8b31"):
        vpn = icon(VpnGateway, "VPN gateway")
        interfaces = icon(VPCElasticNetworkInterface, "interfaces of jobs\nand functions")
        endpoints = icon(Endpoint, "gateway endpoints\nS3 · DynamoDB")
    tunnel = icon(SiteToSiteVpn, "two IPsec tunnels")
    with group("Started by", "#fbf0f6", "#cd2264"):
        clock = icon(CloudwatchEventTimeBased, "time-based rule")
        file = icon(CloudwatchEventEventBased, "a file in raw/drop/")
    with group("Ingest · Step Functions", "#fbf0f6", "#cd2264"):
        validate = state("Validate", "the input")
        plan = state("Plan", "settings, size, engine")
        with group("Map · each table on its own", "#ffffff", "#cd2264", "rounded,dashed"):
            check = state("CheckSchema", "source against structure")
            approval = state("RequestApproval", "of a breaking change")
            ingest = state("Ingest", "land and curate")
            quality = state("CheckRows", "counts and keys")
            commit = state("Commit", "the watermark")
            maintain = state("Maintain", "when it is due")
        report = state("Report", "summary of the run")
    with group("Does the work"):
        functions = icon(Lambda, "plan · register\nnotify · rotate")
        spark = icon(Glue, "Spark job\nlarge tables")
        shell = icon(Glue, "Python shell job\nall others")
        athena = icon(Athena, "Athena")
    with group("Knows what to do"):
        settings = icon(DynamodbTable, "job_settings\ntable_structures")
        runs = icon(DynamodbTable, "ingest_runs")
        parameters = icon(SystemsManagerParameterStore, "parameters")
        secret = icon(SecretsManager, "database password\nmasking key")
    with group("Data lake", "#eef7ec", "#1b660f"):
        raw = icon(S3, "raw\nParquet, immutable")
        curated = icon(S3, "curated\nIceberg tables")
        catalog = icon(GlueDataCatalog, "catalog")
    analysts = icon(Users, "analysts")
    with group("Watched by", "#eef0fd", "#3f48cc"):
        metrics = icon(Cloudwatch, "metrics\nand dashboard")
        alarms = icon(CloudwatchAlarm, "alarms")
        topics = icon(SNS, "operators\nconsumers")
        logs = icon(CloudwatchLogs, "logs")

    database - data() - gateway
    gateway >> data() >> tunnel >> data() >> vpn >> data() >> interfaces
    interfaces >> data("rows") >> spark
    interfaces >> data("rows") >> shell

    clock >> control() >> validate
    file >> control() >> validate
    validate >> control() >> plan >> control() >> check
    check >> control("breaking") >> approval >> control("approved") >> ingest
    check >> control() >> ingest
    ingest >> control() >> quality >> control() >> commit >> control() >> maintain >> control() >> report

    plan >> control(style="dotted") >> functions
    check >> control(style="dotted") >> functions
    ingest >> control(style="dotted") >> spark
    ingest >> control(style="dotted") >> shell
    quality >> control(style="dotted") >> athena

    functions >> watch() >> [settings, parameters, secret]
    shell >> data() >> endpoints >> data() >> raw >> data() >> curated
    spark >> data() >> endpoints
    curated >> data() >> athena >> data() >> analysts
    catalog - watch() - athena
    commit >> watch() >> runs
    report >> watch() >> topics
    [spark, shell] >> watch() >> logs
    metrics >> watch() >> alarms >> watch() >> topics


ARCHITECTURE = Picture(
    Path(__file__).parent / "Architecture.png", "From the on-premises database to Athena", "TB", draw
)
