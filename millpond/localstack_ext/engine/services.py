"""The services that Millpond provides to LocalStack, chosen by ``PROVIDER_OVERRIDE_<SERVICE>=millpond``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.plugins import Service, aws_provider

from millpond.localstack_ext.engine import planes
from millpond.localstack_ext.engine.dispatch import Observer, Served, dispatch_table


def _service(
    name: str,
    served: Served | None = None,
    observers: Mapping[str, Observer] | None = None,
) -> Service:
    return Service(name=name, skeleton=Skeleton(load_service(name), dispatch_table(name, served, observers)))


def _s3() -> Service:
    from millpond.localstack_ext.s3.events import install_events
    from millpond.localstack_ext.s3.files import object_store
    from millpond.localstack_ext.s3.objects import DiskS3Provider
    from millpond.localstack_ext.state import engine_state

    install_events()
    store = object_store()
    engine_state.before_save("s3", store.begin_save)
    return Service.for_provider(DiskS3Provider(store))


def _cloudformation() -> Service:
    from millpond.localstack_ext.cloudformation.custom import install_answers
    from millpond.localstack_ext.cloudformation.list_parameters import install_list_parameters
    from millpond.localstack_ext.cloudformation.providers import install_providers
    from millpond.localstack_ext.cloudformation.references import install_references
    from millpond.localstack_ext.cloudformation.stacks import StackProvider
    from millpond.localstack_ext.cloudformation.templates import install_yaml

    install_providers()
    install_answers()
    install_yaml()
    install_references()
    install_list_parameters()
    return Service.for_provider(StackProvider())


def _cloudwatch() -> Service:
    from millpond.localstack_ext.cloudwatch.actions import install_actions
    from millpond.localstack_ext.cloudwatch.provider import LakeCloudwatchProvider

    install_actions()
    return Service.for_provider(LakeCloudwatchProvider())


def _dynamodb() -> Service:
    from millpond.localstack_ext.dynamodb.items import install_typed_updates
    from millpond.localstack_ext.dynamodb.streams import install_records
    from millpond.localstack_ext.dynamodb.transactions import install_copies, once_for_each_token

    install_copies()
    install_typed_updates()
    install_records()
    table = dispatch_table("dynamodb")
    table["TransactWriteItems"] = once_for_each_token(table["TransactWriteItems"])
    return Service(name="dynamodb", skeleton=Skeleton(load_service("dynamodb"), table))


def _dynamodbstreams() -> Service:
    from millpond.localstack_ext.dynamodb.streams import stream_handlers

    name = "dynamodbstreams"
    return Service(name=name, skeleton=Skeleton(load_service(name), stream_handlers()))


def _ec2() -> Service:
    from localstack.services.moto import MotoFallbackDispatcher

    from millpond.localstack_ext.ec2.network import NetworkProvider

    return Service.for_provider(NetworkProvider(), dispatch_table_factory=MotoFallbackDispatcher)


def _iam() -> Service:
    from localstack.services.moto import MotoFallbackDispatcher

    from millpond.localstack_ext.iam.provider import SimulatingProvider

    make: Any = SimulatingProvider
    return Service.for_provider(make(), dispatch_table_factory=MotoFallbackDispatcher)


def _sts() -> Service:
    from localstack.services.moto import MotoFallbackDispatcher

    from millpond.localstack_ext.iam.sessions import SessionsProvider

    make: Any = SessionsProvider
    return Service.for_provider(make(), dispatch_table_factory=MotoFallbackDispatcher)


def _lambda() -> Service:
    from millpond.localstack_ext.events.provider import install_patterns
    from millpond.localstack_ext.functions.code import install_deletion, install_unpacking
    from millpond.localstack_ext.functions.logs import install_logs
    from millpond.localstack_ext.functions.provider import FunctionsProvider
    from millpond.localstack_ext.functions.provisioned import install_provisioning
    from millpond.localstack_ext.functions.sources import install_sources

    install_patterns()
    install_sources()
    install_unpacking()
    install_deletion()
    install_logs()
    install_provisioning()
    return Service.for_provider(FunctionsProvider())


def _secretsmanager() -> Service:
    from localstack.services.moto import MotoFallbackDispatcher

    from millpond.localstack_ext.secretsmanager.provider import RotatingSecretsProvider
    from millpond.localstack_ext.secretsmanager.rotation import install_rotation

    install_rotation()
    return Service.for_provider(RotatingSecretsProvider(), dispatch_table_factory=MotoFallbackDispatcher)


def _stepfunctions() -> Service:
    from millpond.localstack_ext.stepfunctions.provider import LakeStepFunctionsProvider, install

    install()
    return Service.for_provider(LakeStepFunctionsProvider())


def _events() -> Service:
    from millpond.localstack_ext.events.provider import (
        ReschedulingEventsProvider,
        install_patterns,
        install_targets,
    )

    install_targets()
    install_patterns()
    return Service.for_provider(ReschedulingEventsProvider())  # type: ignore[no-untyped-call]


def _logs() -> Service:
    from localstack import config
    from localstack.services.moto import MotoFallbackDispatcher

    from millpond.localstack_ext.logs.events import open_store
    from millpond.localstack_ext.logs.filters import LakeLogsProvider, install_patterns
    from millpond.localstack_ext.logs.keys import install_log_keys

    open_store(Path(config.dirs.data) / "logs")
    install_patterns()
    install_log_keys()
    provider = LakeLogsProvider()  # type: ignore[no-untyped-call]
    return Service.for_provider(provider, dispatch_table_factory=MotoFallbackDispatcher)


def _glue() -> Service:
    from millpond.localstack_ext.glue import catalog_events
    from millpond.planes.glue import OPERATIONS

    observers = dict.fromkeys(catalog_events.OPERATIONS, catalog_events.tell)
    return _service("glue", Served(OPERATIONS, planes.glue().of), observers)


def _firehose() -> Service:
    from millpond.planes.firehose import OPERATIONS

    return _service("firehose", Served(OPERATIONS, planes.firehose().of))


def _kinesis() -> Service:
    from millpond.planes.kinesis import OPERATIONS

    return _service("kinesis", Served(OPERATIONS, planes.kinesis().of))


def _athena() -> Service:
    from millpond.planes.athena import OPERATIONS

    return _service("athena", Served(OPERATIONS, planes.athena().of))


def _codebuild() -> Service:
    from millpond.planes.codebuild import OPERATIONS

    return _service("codebuild", Served(OPERATIONS, planes.codebuild().of))


def _scheduler() -> Service:
    from localstack.services.moto import MotoFallbackDispatcher

    from millpond.localstack_ext.scheduler.provider import DueSchedulerProvider

    return Service.for_provider(DueSchedulerProvider(), dispatch_table_factory=MotoFallbackDispatcher)


def _pipes() -> Service:
    from millpond.localstack_ext.functions.sources import install_sources
    from millpond.localstack_ext.pipes.provider import OPERATIONS, AllPipes

    install_sources()
    pipes: Any = AllPipes()
    table: Any = dispatch_table("pipes", Served(OPERATIONS, pipes.of))
    return Service.for_provider(pipes, dispatch_table_factory=lambda _: table)


def _kept(name: str) -> Callable[[], Service]:
    def make() -> Service:
        from millpond.localstack_ext.kept.services import kept_service

        return kept_service(name)

    return make


athena = aws_provider(api="athena", name="millpond")(_athena)
cloudformation = aws_provider(api="cloudformation", name="millpond")(_cloudformation)
cloudwatch = aws_provider(api="cloudwatch", name="millpond")(_cloudwatch)
codebuild = aws_provider(api="codebuild", name="millpond")(_codebuild)
dynamodb = aws_provider(api="dynamodb", name="millpond")(_dynamodb)
dynamodbstreams = aws_provider(api="dynamodbstreams", name="millpond")(_dynamodbstreams)
ec2 = aws_provider(api="ec2", name="millpond")(_ec2)
events = aws_provider(api="events", name="millpond")(_events)
firehose = aws_provider(api="firehose", name="millpond")(_firehose)
glue = aws_provider(api="glue", name="millpond")(_glue)
iam = aws_provider(api="iam", name="millpond")(_iam)
functions = aws_provider(api="lambda", name="millpond")(_lambda)
kinesis = aws_provider(api="kinesis", name="millpond")(_kinesis)
logs = aws_provider(api="logs", name="millpond")(_logs)
pipes = aws_provider(api="pipes", name="millpond")(_pipes)
s3 = aws_provider(api="s3", name="millpond")(_s3)
scheduler = aws_provider(api="scheduler", name="millpond")(_scheduler)
secretsmanager = aws_provider(api="secretsmanager", name="millpond")(_secretsmanager)
sts = aws_provider(api="sts", name="millpond")(_sts)
stepfunctions = aws_provider(api="stepfunctions", name="millpond")(_stepfunctions)
backup = aws_provider(api="backup", name="millpond")(_kept("backup"))
budgets = aws_provider(api="budgets", name="millpond")(_kept("budgets"))
cloudtrail = aws_provider(api="cloudtrail", name="millpond")(_kept("cloudtrail"))
codepipeline = aws_provider(api="codepipeline", name="millpond")(_kept("codepipeline"))
ecr = aws_provider(api="ecr", name="millpond")(_kept("ecr"))
ecs = aws_provider(api="ecs", name="millpond")(_kept("ecs"))
lakeformation = aws_provider(api="lakeformation", name="millpond")(_kept("lakeformation"))
