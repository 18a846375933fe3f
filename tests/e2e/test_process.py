"""kferry as a process: how it ends, what it leaves open, and what it does where descriptors or io_uring are lacking."""

import os
import pathlib
import re
import shutil
import sys
import time

import pytest

from lab import kferry as kferry_lab
from lab import wire
from lab.processes import becomes
from lab.scripted_broker import close_with_reset

pytestmark = pytest.mark.usefixtures("needs_kferry")

WITHOUT_IO_URING = pathlib.Path(__file__).parents[1] / "support" / "without_io_uring.py"


@pytest.mark.quick
def test_sigterm_ends_it_within_seconds_under_load(kferry, outside, tools, driver):
    outside.do("create-topic", lab={"topic": "full-load", "assignment": "1/2/3"})
    consumer = driver.start("consumer", lab={"topic": "full-load", "quiet": 1}, group_id="full-load")
    load = tools.start(
        "kafka-producer-perf-test", "--topic", "full-load", "--num-records", 100_000_000, "--record-size", 1024,
        "--throughput", -1, "--reporting-interval", 200, "--bootstrap-server", kferry.bootstrap(),
    )  # fmt: skip
    load.wait_for_line(r"records sent", 30)
    load.wait_for_line(r"records sent", 30, since=load.mark())
    consumer.wait("counted", 30)
    began = time.monotonic()
    kferry.stop(15)
    took = time.monotonic() - began
    load.kill()
    assert took < 5, f"{took:.1f} s"
    kferry.start()  # ends as every kferry of a test must


def test_every_one_of_many_stops_ends_while_clients_come_and_go(kferry, outside, driver):
    """One stop in five once waited for ever: what it met depended on the moment."""
    topic = {"topic": "many-stops"}
    outside.do("create-topic", lab={**topic, "assignment": "1,2,3/2,3,1/3,1,2"})
    producer = driver.start("producer", lab=topic, acks="all", linger_ms=0)
    driver.start("consumer", lab=topic, group_id="many-stops", reconnect_backoff_max_ms=100)
    for number in range(40):
        producer.wait("acked", 60, since=producer.mark(), count=1 + number % 7 * 10)
        kferry.stop(10)
        kferry.start()


@pytest.mark.quick
def test_open_descriptors_return_when_clients_have_left(kferry, network):
    kferry.wait_for_log("cause=discovered ")
    with network.clients.connect(kferry.listener.addresses()[0]) as warm:
        assert wire.ask(warm, wire.metadata_request(1))
    start = None

    def settled():
        nonlocal start
        before, start = start, kferry.open_descriptors()
        return before == start

    assert becomes(settled)
    clients = []
    for number in range(90):
        clients.append(network.clients.connect(kferry.listener.addresses()[number % 3]))
        assert wire.ask(clients[-1], wire.metadata_request(1))
    assert kferry.open_descriptors() >= start + 2 * len(clients)
    for number, client in enumerate(clients):
        way = number % 5
        if way == 0:
            client.shutdown(1)  # half-closes and waits for the other half
            assert wire.is_over(client)
        elif way == 1:
            close_with_reset(client)
        elif way == 2:
            client.sendall(wire.metadata_request(2)[:7])  # inside a header
        elif way == 3:
            client.sendall(wire.request(wire.PRODUCE, 3, 2, bytes(100_000))[:50_000])  # inside a body
        else:
            client.sendall(wire.metadata_request(2) * 20)  # without the answers
        client.close()
    assert becomes(lambda: kferry.open_descriptors() <= start), (start, kferry.open_descriptors())
    assert kferry.open_pipes() <= 8 * len(os.sched_getaffinity(0)), "more than each worker's store of empty ones"


@pytest.mark.quick
def test_it_lives_on_when_descriptors_run_out(start_kferry, start_driver, cluster, outside, network):
    prlimit = shutil.which("prlimit")
    kferry = start_kferry(cluster.bootstrap(), launcher=[prlimit, "--nofile=96:96"])
    kferry.wait_for_log("cause=discovered ")
    outside.do("create-topic", lab={"topic": "bystander-of-many", "assignment": "1,2/2,3/3,1"})
    driver = start_driver(kferry.bootstrap())
    bystander = driver.start("producer", lab={"topic": "bystander-of-many"}, acks="all", linger_ms=0)
    bystander.wait("acked", count=30)

    mark = kferry.mark()
    crowd = [network.clients.connect(kferry.listener.addresses()[number % 3]) for number in range(120)]
    for client in crowd:
        client.sendall(wire.api_versions_request(1))
    line = kferry.wait_for_log("Too many open files", since=mark)
    assert re.search(r"level=error .*(LimitNOFILE|ulimit -n)", line), line
    bystander.wait("acked", since=bystander.mark(), count=30)
    said = [line for line in kferry.log(mark) if re.search(r" level=(error|warning)", line)]
    assert len(said) <= 6, said  # limited, however many there are
    assert all("ulimit -n" in line for line in said), said

    for client in crowd:
        client.close()

    def served():
        with network.clients.connect(kferry.listener.addresses()[2]) as client:
            answer = wire.ask(client, wire.log_dirs_request(1))
        return answer and str(cluster.brokers[2].directory).encode() in answer[1]

    assert becomes(served)
    bystander.wait("acked", since=bystander.mark(), count=30)
    bystander.stop()
    assert not bystander.events("lost")


@pytest.mark.quick
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_where_io_uring_is_forbidden_epoll_serves_with_one_warning(start_kferry, start_driver, cluster, outside, error):
    launcher = [sys.executable, "-B", WITHOUT_IO_URING, error]
    kferry = start_kferry(cluster.bootstrap(), launcher=launcher, engine={"backend": "auto"})
    said = kferry.matching(r"io_uring")
    assert len(said) == 1 and re.search(r"level=warning .*epoll.*seccomp profile", said[0]), said
    assert re.search(r"on epoll\b", kferry.matching(kferry_lab.READY)[0])
    topic = {"topic": f"on-epoll-{error.lower()}"}
    outside.do("create-topic", lab={**topic, "assignment": "1,2/2,3/3,1"})
    driver = start_driver(kferry.bootstrap())
    consumer = driver.start("consumer", lab=topic, group_id=topic["topic"], auto_offset_reset="earliest")
    producer = driver.start("producer", lab={**topic, "count": 300}, acks="all").finish()
    assert len(producer.acked()) == 300
    consumer.until_got(producer.acked())
    assert kferry.matching(r"io_uring") == said


@pytest.mark.quick
def test_where_io_uring_is_demanded_and_forbidden_the_start_ends_with_the_reason_and_the_remedy(
    cluster, network, scratch
):
    launcher = [sys.executable, "-B", WITHOUT_IO_URING, "EPERM"]
    engine = {"backend": "io_uring"}
    kferry = kferry_lab.Kferry(network, scratch, cluster.bootstrap(), engine=engine, launcher=launcher).begin_start()
    assert kferry.process.wait(20) == 1, kferry.log()
    kferry.assert_no_defect()
    assert re.search(r"io_uring.*seccomp profile.*backend = .{0,2}auto", kferry.log()[-1]), kferry.log()
    assert not kferry.matching(kferry_lab.READY)


@pytest.mark.quick
def test_a_port_that_is_taken_ends_the_start_with_the_reason(kferry, cluster, network, scratch):
    elsewhere = {"GATEWAY_HTTP_PORT": str(kferry.http_port + 1)}
    another = kferry_lab.Kferry(network, scratch, cluster.bootstrap(), kferry.listener, elsewhere)
    another.log_path = scratch / "another.log"
    another.begin_start()
    assert another.process.wait(20) == 1
    assert re.search(rf"cannot listen on .*:{kferry.listener.first}\b.*ss -ltnp", another.log()[-1]), another.log()
