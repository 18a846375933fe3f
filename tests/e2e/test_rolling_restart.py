"""A rolling restart after which every broker has another address, most of them one that was a neighbour's before: what
clients miss through kferry, beside what clients among the brokers miss in the same restart.

The clients ask for metadata once an hour by themselves, and say which broker they mean when they connect (KIP-1242).
"""

import statistics
import time

import pytest

from lab.namespaces import broker_address
from test_failures import Flow

HOUR = 3_600_000
ROUNDS = 5
# Where the first broker goes. Each of the others takes the address that the one before has left.
SPARE = broker_address(13)
# How much longer clients may wait through kferry.
ALLOWED = 2.0


@pytest.fixture
def flows(kferry, start_driver, outside, network, cluster):
    """Through kferry, and among the brokers."""
    properties = {"metadata_max_age_ms": HOUR, "metadata_cluster_check_enable": "true"}
    made = {}
    for side, bootstrap, namespace in (
        ("through", kferry.bootstrap(), network.clients), ("direct", cluster.bootstrap(), network.brokers)
    ):  # fmt: skip
        made[side] = Flow(start_driver(bootstrap, namespace), outside, f"rolled-{side}", **properties)
    return made


def roll(brokers, spare, outside, flows):
    """Restarts one broker after another, each at the address that is free. The address that is free then."""
    for broker in brokers:
        left = broker.host
        broker.stop()
        broker.move(spare)
        broker.start()
        spare = left
        for side in flows:
            outside.do("elect", lab={"topic": f"rolled-{side}"})
        for flow in flows.values():
            flow.goes_on()
    return spare


def test_clients_recover_as_soon_as_without_kferry(
    needs_kferry, kferry, flows, outside, network, whole_cluster
):
    spare, silences = SPARE, []
    for number in range(ROUNDS):
        began = time.time()
        spare = roll(whole_cluster.brokers.values(), spare, outside, flows)
        ended = time.time()
        silences.append(
            {
                f"{side} {client.name.rstrip('0123456789')}": client.longest_silence(began, ended)
                for side, flow in flows.items()
                for client in (flow.producer, flow.consumer)
            }
        )
        print(f"round {number + 1}, {ended - began:.0f} s, longest silences:",
              ", ".join(f"{who} {longest:.2f} s" for who, longest in silences[-1].items()))  # fmt: skip
        for node_id, broker in whole_cluster.brokers.items():
            with network.clients.connect(kferry.listener.address_of(node_id)) as connection:
                broker.assert_answers(connection)
    middle = {who: statistics.median(each[who] for each in silences) for who in silences[0]}
    print("medians:", ", ".join(f"{who} {longest:.2f} s" for who, longest in middle.items()))
    for client in ("producer", "consumer"):
        assert middle[f"through {client}"] <= middle[f"direct {client}"] + ALLOWED, silences
    for flow in flows.values():
        flow.finish()
