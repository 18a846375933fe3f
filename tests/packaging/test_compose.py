"""compose.yaml without an engine: three brokers of Apache Kafka and kferry, each in a network namespace of its own with
the environment that the file gives its service, and a record from a client that reaches kferry alone.

The brokers' variables become properties by the rule of the image apache/kafka: KAFKA_NODE_ID is node.id.
"""

import os
import pathlib
import re
import shutil

import pytest
import yaml
from conftest import CHECKOUT, run
from lab import kafka_jars
from lab.namespaces import Namespace
from lab.processes import Process
from places import pass_a_record

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
SERVICES = yaml.safe_load((CHECKOUT / "packaging/compose/compose.yaml").read_text())["services"]
BROKERS = [name for name in SERVICES if name.startswith("kafka")]
ADDRESSES = {"kferry": "10.78.1.1", **{name: f"10.78.1.{10 + number}" for number, name in enumerate(BROKERS, 1)}}
READY_S = 180


class Project:
    """The network `brokers` of the file: a bridge beside kferry, and a wire from it to each broker."""

    def __init__(self, directory):
        self.directory = directory
        self.places = {name: Namespace(name) for name in ADDRESSES}
        self._hosts = [pathlib.Path("/etc/netns") / place.name for place in self.places.values()]
        for folder in self._hosts:  # `ip netns exec` shows it as /etc/hosts
            folder.mkdir(parents=True)
            lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in ADDRESSES.items())]
            (folder / "hosts").write_text("\n".join(lines) + "\n")
        middle = self.places["kferry"]
        middle.ip("link", "add", "bridge", "type", "bridge")
        middle.ip("address", "add", f"{ADDRESSES['kferry']}/24", "dev", "bridge")
        middle.ip("link", "set", "bridge", "up")
        for name in BROKERS:
            middle.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.places[name].name)
            middle.ip("link", "set", name, "master", "bridge", "up")
            self.places[name].ip("address", "add", f"{ADDRESSES[name]}/24", "dev", "eth0")
            self.places[name].ip("link", "set", "eth0", "up")

    def start(self, name, command, environment=None):
        inside = ["ip", "netns", "exec", self.places[name].name, *command]
        return Process(inside, self.directory / f"{name}.log", environment=environment)

    def start_broker(self, name):
        environment = SERVICES[name]["environment"]
        properties = {re.sub(r"_", ".", key.removeprefix("KAFKA_").lower()): value
                      for key, value in environment.items() if key.startswith("KAFKA_")}
        file = self.directory / f"{name}.properties"
        properties["log.dirs"] = self.directory / name
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        formatted = run(*kafka_jars.java("client", ["kafka.tools.StorageTool", "format", "-t", environment["CLUSTER_ID"],
                                                    "-c", file]), timeout=READY_S)
        assert formatted.returncode == 0, formatted.stdout
        return self.start(name, kafka_jars.java("broker", ["kafka.Kafka", file], "320m"))

    def close(self):
        for place, folder in zip(self.places.values(), self._hosts):
            place.delete()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project(tmp_path):
    kafka_jars.prepare()
    made = Project(tmp_path)
    yield made
    made.close()


def test_a_record_passes_the_services_of_compose(project):
    brokers = [project.start_broker(name) for name in BROKERS]
    for broker in brokers:
        broker.wait_for_line(r"Kafka Server started", READY_S)
    environment = {key: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", value)
                   for key, value in SERVICES["kferry"]["environment"].items()}
    kferry = project.start("kferry", [os.environ["KFERRY"], "run"], {"PATH": os.environ["PATH"], **environment})
    kferry.wait_for_line("cause=ready", 60)
    pass_a_record(project.places["kferry"], 6969, "through compose.yaml")
    shown = run(*project.places["kferry"].enter_command(), "kcat", "-b", "localhost:6969", "-L").stdout
    told = dict(re.findall(r"broker (\d+) at (localhost:\d+)", shown))
    assert told == {"1": "localhost:6969", "2": "localhost:6970", "3": "localhost:6971"}
    asked = run(*project.places["kferry"].enter_command(), os.environ["KFERRY"], "health",
                env={"PATH": os.environ["PATH"], **environment})
    assert asked.returncode == 0, asked.stdout
    for process in [kferry, *brokers]:
        process.kill()
