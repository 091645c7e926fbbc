"""A broker of Apache Kafka on loopback, for tests of streams; its jars are fetched on first use."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ports import free_port
from waiting import wait_until

from millpond.planes.common.context import Tools
from millpond.toolchain import maven
from millpond.toolchain.ivy import Ivy

_CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{login},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={module} required user_{user}="{password}";
log.dirs={folder}/data
num.partitions=2
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""
_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


@dataclass(frozen=True)
class Broker:
    """One that runs.

    Parameters
    ----------
    plain, login : str
        Addresses: for anybody, and for whoever logs in by SASL's PLAIN.
    user, password : str
        Of that login.
    """

    plain: str
    login: str
    user: str = "reader"
    password: str = 'a "quoted" word'


@contextmanager
def running_broker(tools: Tools, cache: Path, folder: Path) -> Iterator[Broker]:
    """Start a broker, and stop it at the end.

    Parameters
    ----------
    tools : Tools
        Have Java, and the Ivy that fetches the jars.
    cache : Path
        Where jars are kept.
    folder : Path
        Its own.
    """
    java = tools.java_home / "bin" / "java"
    maven.fetch(["kafka-broker"], cache / "jars", Ivy.of(java, tools.spark_python, ""), print)
    jars = ":".join(map(str, maven.jars_of(["kafka-broker"], cache / "jars")))
    ports = {name: free_port() for name in ("plain", "login", "controller")}
    broker = Broker(*(f"127.0.0.1:{ports[name]}" for name in ("plain", "login")))
    password = broker.password.replace('"', '\\\\"')
    properties = folder / "server.properties"
    properties.write_text(
        _PROPERTIES.format(**ports, folder=folder, module=_MODULE, user=broker.user, password=password)
    )
    command = [str(java), "-Xmx256m", "-cp", jars]
    made = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(properties)]
    subprocess.run([*command, *made], check=True, capture_output=True)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "kafka.Kafka", str(properties)], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_until("the broker", lambda: _answers(ports["plain"]) and _answers(ports["login"]), 120)
        yield broker
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
