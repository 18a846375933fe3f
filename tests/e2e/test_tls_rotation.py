"""Certificates that are replaced under running clients."""

import time

import pytest

from lab import tls_client
from lab.certificates import replace
from lab.kferry import Kferry, Listener, Upstream
from lab.namespaces import MIDDLE_TO_CLIENTS
from lab.processes import becomes

pytestmark = pytest.mark.quick


def test_a_certificate_is_replaced_while_clients_run(
    needs_kferry, network, scratch, dial_watch, dials, authority, broker
):
    first, second, third = (
        authority.issue(f"rotating-{number}", f"IP:{MIDDLE_TO_CLIENTS}") for number in ("first", "second", "third")
    )
    file = scratch / "serving.pem"
    replace(file, first.pem())
    listener = Listener("tls", 1, "SSL", tls={"certificate": file})
    upstream = Upstream("rotating", broker.address(), listener, security_protocol="PLAINTEXT")
    kferry = Kferry(network, scratch, broker.address(), upstreams=[upstream])
    dial_watch.kferrys.update(kferry.addresses())
    kferry.start()
    where, context = listener.addresses()[0], tls_client.settings(authority)

    def shown():
        with tls_client.connect(network, where, context) as connection:
            assert tls_client.answers(connection)
            return dict(pair for part in connection.getpeercert()["subject"] for pair in part)["commonName"]

    assert shown() == "rotating-first"
    with tls_client.connect(network, where, context) as old:
        assert tls_client.answers(old, 1)
        began = time.monotonic()
        replace(file, second.pem())
        assert becomes(lambda: shown() == "rotating-second", 5)
        took = time.monotonic() - began
        assert took < 1.5, took  # a second, and the time to see it
        assert tls_client.answers(old, 2)
        kferry.wait_for_log(r"cause=tls_renewed .*CN=rotating-second")

        broken = scratch / "broken.pem"
        broken.write_text(third.pem().read_text()[:200])
        replace(file, broken)
        line = kferry.wait_for_log("cause=tls_renewal_failed ")
        assert str(file) in line and "what was read before continues to serve" in line, line
        assert shown() == "rotating-second"
        checked = kferry.run("check")
        assert checked.code == 2 and str(file) in checked.output, checked
        assert tls_client.answers(old, 3)

        mark = kferry.mark()
        replace(file, third.pem())
        kferry.wait_for_log("cause=tls_renewal_well ", since=mark)
        assert shown() == "rotating-third"
        assert tls_client.answers(old, 4)
    kferry.stop()
