"""TCP's congestion control: what doctor says of the host's, and what a running kferry's sockets have.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from running import KFERRY, Broker, Kferry, receive, request
from test_health import get, variables

SETTINGS = pathlib.Path("/proc/sys/net")


def setting(name):
    path = SETTINGS / name
    return path.read_text().strip() if path.exists() else ""


def engine(folder, name):
    file = folder / "engine.toml"
    file.write_text(f'[engine]\ncongestion_control = "{name}"\n')
    return ["run", "--config", str(file)]


def test_doctor_shows_the_hosts_and_warns_of_bbr_without_fq():
    shown = subprocess.run([KFERRY, "doctor"], capture_output=True, text=True, timeout=60, check=False).stdout
    [row] = re.findall(r"^(\w+) +TCP congestion control +(.*)\n", shown, re.MULTILINE)
    host, queue = setting("ipv4/tcp_congestion_control"), setting("core/default_qdisc")
    assert row[1].startswith(host or "unknown")
    costly = host.startswith("bbr") and queue != "fq"
    assert row[0] == ("lack" if costly else "ok")
    assert ("tc qdisc replace dev DEVICE root fq" in shown) == costly == ('congestion_control = "cubic"' in shown)


def used(condition):
    """Of the established connections that match, by ss."""
    shown = subprocess.run(["ss", "-tniH", "state", "established", condition], capture_output=True, text=True, timeout=60,
                           check=True).stdout
    return {line.split()[0] for line in shown.splitlines() if line.startswith("\t")}


@pytest.mark.skipif(shutil.which("ss") is None, reason="ss is not installed")
@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_both_sides_of_a_connection_have_the_one_that_is_configured(tmp_path, backend):
    with Broker() as broker:
        words = engine(tmp_path, "reno")
        with open(words[-1], "a", encoding="utf-8") as file:
            file.write(f'backend = "{backend}"\n')
        with Kferry(tmp_path, variables(f"127.0.0.1:{broker.port}"), words=words) as kferry:
            with socket.create_connection(("127.0.0.1", kferry.port), 10) as client:
                client.sendall(request(18, 0))
                receive(client)
                own = client.getsockname()[1]
                assert used(f"( sport = :{kferry.port} and dport = :{own} )") == {"reno"}
                assert used(f"( sport = :{own} )") == {setting("ipv4/tcp_congestion_control")}
                assert "reno" in used(f"( dport = :{broker.port} )")
            kferry.end()
            assert not kferry.lines("congestion_control_refused")


def test_one_that_the_kernel_refuses_is_told_once_and_kferry_serves(tmp_path):
    env = variables()
    with Kferry(tmp_path, env, words=engine(tmp_path, "nosuch")) as kferry:
        assert get(int(env["GATEWAY_HTTP_PORT"]), "/health/serving")[0] == 200
        kferry.end()
        [line] = kferry.lines("congestion_control_refused")
        assert "subject=nosuch" in line and "modprobe tcp_nosuch" in line and "net.ipv4.tcp_available_congestion_control" in line


def test_a_name_that_no_kernel_has_is_an_error(tmp_path):
    words = engine(tmp_path, "b b r")
    shown = subprocess.run([KFERRY, "check", *words[1:]], env={"PATH": os.environ["PATH"], **variables()}, capture_output=True,
                           text=True, timeout=60, check=False)
    assert shown.returncode == 2 and "engine.toml:2" in shown.stderr
