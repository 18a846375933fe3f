"""Rules of TLS broken by tlslite-ng (lab/clients/tlslite_cases.py): each ends its own connection, in time and with the
alert that is due, or does no harm; a client beside goes on."""

import pathlib
import re

import pytest

from lab import tls_client, wheels
from lab.kferry import Kferry, Listener, Upstream
from lab.processes import run
from lab.tls_sides import server_certificate

CASES = pathlib.Path(__file__).parent / "lab" / "clients" / "tlslite_cases.py"

pytestmark = pytest.mark.quick
UNEXPECTED, DECODE = "alert unexpected_message", "alert decode_error"
# What may come of a case, and the cause of its line; None where there is nothing to say. Where "closed" is listed beside
# an alert, the alert is due and wolfSSL 5.5, or the kernel that holds the keys, sends none.
EXPECTED = {
    **dict.fromkeys(
        [f"{case}-{version}" for case in ("plain", "bytes", "split-handshake", "empty-records")
         for version in ("1.2", "1.3")] + ["retried-hello-1.3", "certificate-1.2", "certificate-1.3"],
        ({"answered"}, None),
    ),
    # Where the kernel holds the keys the connection ends in order, and says so.
    "key-update-1.3": ({"answered", "ended"}, "(tls_key_update)?"),
    "key-update-asked-1.3": ({"answered", "ended"}, "(tls_key_update)?"),
    "key-update-of-no-kind-1.3": ({"alert illegal_parameter", "ended"}, "record_malformed|tls_key_update"),
    # Refused by a warning, after which the client may go on (RFC 5246 §7.2.2).
    "renegotiation-1.2": ({"alert no_renegotiation"}, None),
    "renegotiation-1.3": ({UNEXPECTED}, "record_malformed"),
    "finished-again-1.2": ({UNEXPECTED}, "record_malformed"),
    "finished-again-1.3": ({UNEXPECTED}, "record_malformed"),
    "hello-done-1.2": ({UNEXPECTED}, "record_malformed"),
    "signature-1.3": ({UNEXPECTED}, "record_malformed"),
    "unknown-record-1.2": ({UNEXPECTED}, "record_malformed"),
    "unknown-record-1.3": ({UNEXPECTED}, "record_malformed"),
    "oversized-1.2": ({"closed", "alert record_overflow"}, "record_malformed"),
    "oversized-1.3": ({"closed", "alert record_overflow"}, "record_malformed"),
    "damaged-1.2": ({"alert bad_record_mac"}, "record_forged"),
    "damaged-1.3": ({"alert bad_record_mac"}, "record_forged"),
    # Anybody has a client's certificate; its key is what counts.
    **dict.fromkeys(
        ["certificate-unproven-1.2", "certificate-unproven-1.3"],
        ({"closed", UNEXPECTED, "alert handshake_failure"}, "handshake_failed"),
    ),
    **dict.fromkeys(
        ["certificate-unasked-1.2", "certificate-unasked-1.3", "certificate-unasked-empty-1.3"],
        ({UNEXPECTED}, "client_certificate_unasked"),
    ),
    "oversized-hello": ({DECODE, "alert record_overflow"}, "client_hello_malformed"),
    "empty-hello-records": ({DECODE, UNEXPECTED}, "client_hello_malformed"),
    **dict.fromkeys(["data-first", "alert-first", "change-cipher-first"], ({"closed", UNEXPECTED}, "not_tls")),
    "two-hellos": ({UNEXPECTED}, "handshake_failed"),
    **dict.fromkeys(
        ["no-ciphers", "odd-ciphers", "no-compression", "long-session"],
        ({DECODE, "alert illegal_parameter"}, "handshake_failed"),
    ),
    "bytes-after-extensions": ({DECODE}, "handshake_failed"),
    **dict.fromkeys(
        ["extension-too-long", "extension-twice"], ({DECODE, "alert illegal_parameter"}, "client_hello_malformed")
    ),
    "version-of-ssl-3": ({"alert protocol_version"}, "no_common_version"),
    # It names a cipher of 1.3 alone and no supported_versions.
    "version-of-the-future": ({"alert handshake_failure"}, "no_common_cipher"),
}
# More is sent than is read before the end, which the kernel may make a reset, whatever was said before.
MAY_RESET = {"oversized-1.2", "oversized-1.3", "oversized-hello", "empty-hello-records", "data-first",
             "change-cipher-first", "two-hellos"}  # fmt: skip


@pytest.fixture(scope="module")
def kferry(request, network, module_scratch, dial_watch, authority, broker):
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")
    listener = Listener("tls", 1, "SSL", tls={"certificate": server_certificate(authority).pem()})
    mutual = Listener("mutual", 1, "SSL", ssl_client_auth="REQUIRE", tls={
        "certificate": server_certificate(authority).pem(), "client_cas": authority.certificate})  # fmt: skip
    upstream = Upstream("broken", broker.address(), listener, mutual, security_protocol="PLAINTEXT")
    kferry = Kferry(network, module_scratch, broker.address(), upstreams=[upstream])
    kferry.where, kferry.mutual_port = listener.addresses()[0], mutual.first
    dial_watch.kferrys.update(kferry.addresses())
    kferry.start()
    yield kferry
    kferry.stop()


def test_rules_of_tls_broken_by_tlslite(kferry, network, scratch, authority, dials):
    sources = [network.another_client() for _ in EXPECTED]
    with tls_client.connect(network, kferry.where, tls_client.settings(authority)) as bystander:
        assert tls_client.answers(bystander, 1)
        own = authority.issue("client")
        words = [wheels.python(), CASES, *kferry.where, kferry.mutual_port, own.certificate, own.key, *sources]
        result = run(words, scratch / "tlslite.log", network.clients, timeout=120)
        assert result.code == 0, result
        outcomes = [line.split(" ", 1) for line in result.output.splitlines() if " " in line]
        assert {name for name, _ in outcomes} == set(EXPECTED), result
        wrong = []
        for (name, outcome), source in zip(outcomes, sources):
            allowed, cause = EXPECTED[name]
            allowed = allowed | {"reset"} if name in MAY_RESET else allowed
            lines = kferry.matching(rf"subject={re.escape(source)} ")
            causes = " ".join(re.search(r" cause=(\w+)", line)[1] for line in lines)
            if outcome not in allowed or not re.fullmatch(cause or "", causes):
                wrong.append((name, outcome, lines))
        assert not wrong, wrong
        assert tls_client.answers(bystander, 2)
