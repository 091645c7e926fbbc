"""The network in which the local stack's builds stand."""

from __future__ import annotations

from engine_fixtures import RunningEngine

from millpond.planes.network import Place, read_network, to_service
from millpond.project.targets import Target


def test_the_default_network_has_one_private_subnet_with_a_way_out(running_engine: RunningEngine):
    target = Target.local(running_engine.settings)
    given = target.default_network()
    assert given == target.default_network()
    ec2 = running_engine.client("ec2")
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [given["VpcID"]]}])
    place = Place(given["PrivateSubnetIDs"], tuple(one["GroupId"] for one in groups["SecurityGroups"]))
    network = read_network(ec2, running_engine.settings.region, given["VpcID"])
    assert to_service(network, place, "sts") is None
