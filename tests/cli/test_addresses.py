"""Addresses of the configuration on real sockets: a bind address and an upstream that are an IPv6 literal in brackets.

Each test runs in a network namespace of its own, which has the address on loopback. Needs the built binary's path in KFERRY,
as test_cli.py does.
"""
import os
import pathlib
import socket
import struct
import subprocess
import sys

import pytest

ADDRESS = "fd00::2"
UNSHARE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


def brackets_everywhere(folder):
    """Runs inside the namespace."""
    from running import Broker, Kferry, listener_variables, receive, request

    class Owner(Broker):
        def answer(self, key, version):
            if key == 35:  # DescribeLogDirs: only the port's own broker may be asked
                return struct.pack(">ii", 0, 0)
            return super().answer(key, version)

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "-6", "address", "add", f"{ADDRESS}/128", "dev", "lo", "nodad"], check=True)
    with Owner(host=ADDRESS) as broker:
        broker.brokers = [(1, ADDRESS, broker.port)]
        env = listener_variables(6969, f"[{ADDRESS}]:{broker.port}") | {
            "GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS": f"[{ADDRESS}]",
            "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": ADDRESS}
        with Kferry(folder, env, host=ADDRESS) as kferry:
            with socket.create_connection((ADDRESS, 6970), 10) as client:
                client.sendall(request(3, 0, struct.pack(">i", 0)))
                told = receive(client)
                assert struct.pack(">i", 6970) in told and struct.pack(">i", broker.port) not in told, told
                client.sendall(request(35, 0, struct.pack(">i", -1)))
                assert len(receive(client)) == 12
            with pytest.raises(OSError):
                socket.create_connection(("::1", 6970), 1)
            assert kferry.end() == 0, kferry.text()
        assert not kferry.lines("broker_unreachable") and not kferry.lines("own_address_learnt"), kferry.text()


def test_brackets_around_an_ipv6_address_serve_for_binding_and_dialling(tmp_path):
    if subprocess.run([*UNSHARE, "ip", "link"], capture_output=True, timeout=30, check=False).returncode != 0:
        pytest.skip("this host allows no network namespaces")
    done = subprocess.run([*UNSHARE, sys.executable, "-B", __file__, str(tmp_path)], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    brackets_everywhere(pathlib.Path(sys.argv[1]))
