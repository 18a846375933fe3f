"""The container image, read by other tools than the one that wrote it, and run by runc: root filesystem read-only, user
65532, no capability, no new privileges."""

import json
import os
import pathlib
import re

import pytest
from conftest import CHECKOUT, run
from lab.processes import Process
from places import MockCluster

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="runc and network namespaces need root")
PORT = 6969


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = MockCluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def bundle(one, tmp_path_factory):
    """What umoci unpacks of it."""
    folder = tmp_path_factory.mktemp("image")
    copied = run("skopeo", "copy", "--insecure-policy", f"oci-archive:{one('*-image-*.tar')}",
                 f"oci:{folder}/layout:test")
    assert copied.returncode == 0, copied.stdout
    unpacked = run("umoci", "unpack", "--image", f"{folder}/layout:test", folder / "bundle")
    assert unpacked.returncode == 0, unpacked.stdout
    return folder / "bundle"


class Container:
    """One of the bundle, restricted as docs/install/container.md and compose.yaml have it."""

    def __init__(self, bundle, cluster, directory, seccomp=None):
        settings = json.loads((bundle / "config.json").read_text())
        process = settings["process"]
        assert process["args"] == ["/usr/bin/kferry", "run"]
        assert (process["user"]["uid"], process["user"]["gid"]) == (65532, 65532)
        process["terminal"] = False
        process["noNewPrivileges"] = True
        process["capabilities"] = {name: [] for name in ("bounding", "effective", "inheritable", "permitted", "ambient")}
        process["env"] += [f"KAFKA_BOOTSTRAP_SERVERS={cluster.bootstrap}", "GATEWAY_LISTENER_NAMES=external",
                           f"GATEWAY_LISTENER_EXTERNAL_PORTS={PORT}-{PORT + 2}",
                           "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST=127.0.0.1",
                           "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL=PLAINTEXT", "GATEWAY_MIN_BROKERID=1"]
        settings["root"]["readonly"] = True
        linux = settings["linux"]
        network = {"type": "network", "path": f"/run/netns/{cluster.namespace.name}"}
        linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] not in ("network", "user")] + [network]
        for names in ("uidMappings", "gidMappings"):
            linux.pop(names, None)
        linux["seccomp"] = seccomp
        directory.mkdir()
        settings["root"]["path"] = str(bundle / "rootfs")
        (directory / "config.json").write_text(json.dumps(settings))
        self.name = f"kferry-{os.getpid()}-{directory.name}"
        self.process = Process(["runc", "--root", directory / "state", "run", "--bundle", directory, self.name],
                               directory / "container.log")
        self._runc = ["runc", "--root", directory / "state"]
        self.ready = self.process.wait_for_line(r"cause=ready .* on (\w+)", 60)

    def status(self):
        state = json.loads(run(*self._runc, "state", self.name).stdout)
        lines = pathlib.Path(f"/proc/{state['pid']}/status").read_text()
        return dict(re.findall(r"^(\w+):\s+(.*)$", lines, re.MULTILINE))

    def exec(self, *words):
        return run(*self._runc, "exec", self.name, *words)

    def close(self):
        run(*self._runc, "kill", self.name, "KILL")
        self.process.wait(20)
        run(*self._runc, "delete", "--force", self.name)


def profile_of_kubernetes():
    """packaging/kubernetes/seccomp, as a runtime translates it."""
    profile = json.loads((CHECKOUT / "packaging/kubernetes/seccomp/kferry-io-uring.json").read_text())
    architectures = [one["architecture"] for one in profile.pop("archMap")]
    return {**profile, "architectures": architectures}


WITHOUT_IO_URING = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["io_uring_setup"], "action": "SCMP_ACT_ERRNO"}]}


@pytest.mark.parametrize("name, engine, seccomp", [
    ("unconfined", "io_uring", None), ("forbidden", "epoll", WITHOUT_IO_URING), ("profile", "io_uring", profile_of_kubernetes())])
def test_a_record_passes_a_restricted_container(bundle, cluster, tmp_path, name, engine, seccomp):
    container = Container(bundle, cluster, tmp_path / name, seccomp)
    try:
        assert container.ready[1] == engine
        cluster.pass_a_record(PORT, f"through a container, {name}")
        status = container.status()
        assert status["Uid"].split() == ["65532"] * 4
        assert {int(status[name], 16) for name in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == ("2" if seccomp else "0")
        for question in ((), ("--serving",), ("--live",)):
            asked = container.exec("/usr/bin/kferry", "health", *question)
            assert asked.returncode == 0, asked.stdout
    finally:
        container.close()


def test_the_health_check_of_the_image_is_a_command_that_it_holds(one, bundle):
    shown = run("skopeo", "inspect", "--config", f"oci-archive:{one('*-image-*.tar')}")
    assert shown.returncode == 0, shown.stdout
    settings = json.loads(run("tar", "--extract", "--to-stdout", "--file", one("*-image-*.tar"),
                              configuration_name(one)).stdout)
    assert settings["config"]["Healthcheck"]["Test"] == ["CMD", "/usr/bin/kferry", "health"]
    assert (bundle / "rootfs/usr/bin/kferry").stat().st_mode & 0o111


def configuration_name(one):
    saved = json.loads(run("tar", "--extract", "--to-stdout", "--file", one("*-image-*.tar"), "manifest.json").stdout)
    return saved[0]["Config"]


def test_docker_s_own_format_is_in_the_same_archive(one, tmp_path):
    copied = run("skopeo", "copy", "--insecure-policy", f"docker-archive:{one('*-image-*.tar')}", f"oci:{tmp_path}/x:y")
    assert copied.returncode == 0, copied.stdout


def test_the_image_holds_authorities_and_licences_and_nothing_to_run_but_kferry(bundle):
    root = bundle / "rootfs"
    assert "BEGIN CERTIFICATE" in (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    for name in ("LICENSE.GPL-3", "LICENSE.Apache-2.0", "copyright", "kferry.cdx.json"):
        assert (root / "usr/share/doc/kferry" / name).stat().st_size > 1000
    programs = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.stat().st_mode & 0o111]
    assert programs == ["usr/bin/kferry"]
