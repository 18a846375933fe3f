"""Kafka's own command-line tools through kferry, each at least once."""

import re

import pytest

from lab.namespaces import MIDDLE_TO_CLIENTS

KIB = 1024


def assert_no_broker_address(output):
    assert "10.77.2." not in output, f"a tool was told a broker's own address:\n{output}"


def consumed(output):
    """The number of records that kafka-consumer-perf-test counted."""
    header, values = [line for line in output.splitlines() if line.count(",") >= 5][-2:]
    return int(float(values.split(",")[header.split(", ").index("data.consumed.in.nMsg")]))


# Every value, and what differs most; the rest of the matrix without `quick`.
QUICK = {("0", KIB, "none"), ("1", 100 * KIB, "none"), ("all", KIB, "lz4"), ("all", 100 * KIB, "lz4")}
MATRIX = [
    pytest.param(acks, size, compression, marks=[pytest.mark.quick] if (acks, size, compression) in QUICK else [])
    for acks in ("0", "1", "all")
    for size in (KIB, 100 * KIB)
    for compression in ("none", "lz4")
]


@pytest.mark.parametrize("acks, size, compression", MATRIX)
def test_perf_tools_count_every_record(kferry, outside, tools, acks, size, compression):
    count = 20_000 if size == KIB else 500
    topic = f"perf-{acks}-{size}-{compression}"
    outside.do("create-topic", lab={"topic": topic, "assignment": "1,2/2,3/3,1"})
    output = tools.run(
        "kafka-producer-perf-test", "--topic", topic, "--num-records", count, "--record-size", size,
        "--throughput", -1, "--bootstrap-server", kferry.bootstrap(),
        "--command-property", f"acks={acks}", f"compression.type={compression}", f"enable.idempotence={acks == 'all'}".lower(),
    )  # fmt: skip
    assert re.search(rf"^{count} records sent", output, re.M), output
    output = tools.run(
        "kafka-consumer-perf-test", "--topic", topic, "--num-records", count, "--bootstrap-server", kferry.bootstrap(),
        "--group", topic, "--timeout", 20_000,
    )  # fmt: skip
    assert consumed(output) == count, output


@pytest.mark.quick
def test_console_clients_with_both_group_protocols(kferry, outside, tools):
    outside.do("create-topic", lab={"topic": "console", "assignment": "1,2/2,3/3,1"})
    lines = [f"line {number}" for number in range(300)]
    tools.run(
        "kafka-console-producer", "--topic", "console", "--bootstrap-server", kferry.bootstrap(),
        stdin="\n".join(lines) + "\n",
    )  # fmt: skip
    for protocol in ("classic", "consumer"):
        output = tools.run(
            "kafka-console-consumer", "--topic", "console", "--bootstrap-server", kferry.bootstrap(),
            "--from-beginning", "--max-messages", len(lines), "--timeout-ms", 20_000,
            "--command-property", f"group.protocol={protocol}", "--group", f"console-{protocol}",
        )  # fmt: skip
        assert sorted(line for line in output.splitlines() if line.startswith("line ")) == sorted(lines)


@pytest.mark.quick
def test_a_transactional_producer_under_transaction_version_2(kferry, outside, tools):
    outside.do("create-topic", lab={"topic": "transactions", "assignment": "1,2/2,3/3,1"})
    output = tools.run(
        "kafka-producer-perf-test", "--topic", "transactions", "--num-records", 5_000, "--record-size", 100,
        "--throughput", 5_000, "--bootstrap-server", kferry.bootstrap(),
        "--transactional-id", "mover", "--transaction-duration-ms", 50,
    )  # fmt: skip
    assert re.search(r"^5000 records sent", output, re.M), output
    output = tools.run(
        "kafka-consumer-perf-test", "--topic", "transactions", "--num-records", 5_000, "--timeout", 20_000,
        "--bootstrap-server", kferry.bootstrap(), "--command-property", "isolation.level=read_committed",
    )  # fmt: skip
    assert consumed(output) == 5_000, output
    output = tools.run("kafka-transactions", "--bootstrap-server", kferry.bootstrap(), "list")
    assert re.search(r"^mover\s+[123]\s+\d+\s+CompleteCommit", output, re.M), output
    output = tools.run(
        "kafka-transactions", "--bootstrap-server", kferry.bootstrap(), "describe", "--transactional-id", "mover"
    )
    assert "CompleteCommit" in output, output
    output = tools.run("kafka-features", "--bootstrap-server", kferry.bootstrap(), "describe")
    assert re.search(r"transaction\.version.*FinalizedVersionLevel: 2", output), output


@pytest.mark.quick
def test_a_share_group(kferry, outside, tools):
    outside.do("create-topic", lab={"topic": "shared", "assignment": "1,2/2,3/3,1"})
    tools.run(
        "kafka-configs", "--bootstrap-server", kferry.bootstrap(), "--alter", "--entity-type", "groups",
        "--entity-name", "sharers", "--add-config", "share.auto.offset.reset=earliest",
    )  # fmt: skip
    lines = [f"item {number}" for number in range(300)]
    tools.run(
        "kafka-console-producer", "--topic", "shared", "--bootstrap-server", kferry.bootstrap(),
        stdin="\n".join(lines) + "\n",
    )  # fmt: skip
    output = tools.run(
        "kafka-console-share-consumer", "--topic", "shared", "--bootstrap-server", kferry.bootstrap(),
        "--group", "sharers", "--max-messages", len(lines), "--timeout-ms", 20_000,
    )  # fmt: skip
    got = [line for line in output.splitlines() if line.startswith("item ")]
    # A share group delivers at least once.
    assert len(got) >= len(lines) and len(set(got)) >= len(lines) * 0.9, len(set(got))


@pytest.mark.quick
def test_topics_configs_and_consumer_groups(kferry, outside, tools):
    at = ("--bootstrap-server", kferry.bootstrap())
    tools.run("kafka-topics", *at, "--create", "--topic", "made", "--partitions", 6, "--replication-factor", 2)
    output = tools.run("kafka-topics", *at, "--describe", "--topic", "made")
    assert len(re.findall(r"Partition: \d+\s+Leader: [123]", output)) == 6, output
    tools.run(
        "kafka-configs", *at, "--alter", "--entity-type", "topics", "--entity-name", "made",
        "--add-config", "retention.ms=123456",
    )  # fmt: skip
    output = tools.run("kafka-configs", *at, "--describe", "--entity-type", "topics", "--entity-name", "made")
    assert "retention.ms=123456" in output, output
    output = tools.run("kafka-configs", *at, "--describe", "--entity-type", "brokers", "--all")
    assert set(re.findall(r"\bnode\.id=(\d+)\b", output)) == {"1", "2", "3"}, output
    outside.do("producer", lab={"topic": "made", "count": 3})
    reader = outside.start("consumer", lab={"topic": "made"}, group_id="readers", auto_offset_reset="earliest")
    reader.wait("got", count=3)
    reader.stop()
    output = tools.run("kafka-consumer-groups", *at, "--describe", "--group", "readers")
    assert sum(int(current) for current in re.findall(r"^readers\s+made\s+\d+\s+(\d+)", output, re.M)) == 3, output
    assert "readers" in tools.run("kafka-consumer-groups", *at, "--list")
    tools.run("kafka-topics", *at, "--delete", "--topic", "made")


@pytest.mark.quick
def test_api_versions_are_asked_of_every_broker(kferry, request, tools):
    output = tools.run("kafka-broker-api-versions", "--bootstrap-server", kferry.bootstrap())
    assert sorted(map(int, re.findall(r"\(id: (\d+) rack", output))) == [1, 2, 3], output
    for api in ("Produce(0)", "Fetch(1)", "Metadata(3)", "FindCoordinator(10)", "ApiVersions(18)", "DescribeQuorum(55)",
                "DescribeCluster(60)", "ShareFetch(78)", "ShareAcknowledge(79)"):  # fmt: skip
        usable = re.findall(rf"\t{re.escape(api)}: \d+ to (\d+) \[usable: \1\]", output)
        assert len(usable) == 3, f"{api} is not usable at its newest version:\n{output}"
    if not request.config.getoption("--direct"):
        assert_no_broker_address(output)


@pytest.mark.quick
def test_the_cluster_lists_endpoints_that_are_kferrys(kferry, request, tools):
    output = tools.run("kafka-cluster", "list-endpoints", "--bootstrap-server", kferry.bootstrap())
    if not request.config.getoption("--direct"):
        assert_no_broker_address(output)
        rows = re.findall(rf"^(\d+)\s+{re.escape(MIDDLE_TO_CLIENTS)}\s+(\d+)", output, re.M)
        ports = kferry.listener.ports
        # Ids count from 0: id 3 has the first of three ports.
        assert dict(rows) == {"1": str(ports[1]), "2": str(ports[2]), "3": str(ports[0])}, output
    output = tools.run("kafka-cluster", "cluster-id", "--bootstrap-server", kferry.bootstrap())
    assert "kferryEndToEndCluster0" in output, output


@pytest.mark.quick
def test_metadata_quorum(kferry, request, tools):
    output = tools.run("kafka-metadata-quorum", "--bootstrap-server", kferry.bootstrap(), "describe", "--status")
    assert re.search(r"LeaderId:\s+[123]\b", output) and "CurrentVoters" in output, output
    if not request.config.getoption("--direct"):
        assert_no_broker_address(output)
    output = tools.run("kafka-metadata-quorum", "--bootstrap-server", kferry.bootstrap(), "describe", "--replication")
    assert len(re.findall(r"\b(Leader|Follower)\b", output)) == 3, output


@pytest.mark.quick
def test_log_dirs_answers_for_each_broker_with_its_own_directories(kferry, tools, cluster):
    output = tools.run(
        "kafka-log-dirs", "--describe", "--bootstrap-server", kferry.bootstrap(), "--broker-list", "1,2,3"
    )
    for node_id, broker in cluster.brokers.items():
        assert re.search(rf'"broker":{node_id},"logDirs":\[[^]]*?"logDir":"{broker.directory}"', output) or re.search(
            rf'"logDir":"{broker.directory}"', output
        ), output
