"""Rules of TLS broken by TLS-Attacker (lab/attacker/Attacker.java): each ends its own connection, in time and by the
alert that is due, or does no harm; a client beside goes on. Says what came of each case.

What does not apply: attacks on RSA key exchange, CBC, static or anonymous keys, compression, heartbeats, SSL 2 and 3,
TLS 1.0 and 1.1, DTLS, PSK and early data, none of which is offered; that they are refused is among the cases.
"""

import pytest

from lab import tls_attacker, tls_client
from lab.kferry import Kferry, Listener, Upstream
from lab.processes import run
from lab.tls_sides import server_certificate

UNEXPECTED, DECODE, PARAMETER = "alert unexpected_message", "alert decode_error", "alert illegal_parameter"
REFUSED, VERSION = "alert handshake_failure", "alert protocol_version"


def both(case, *outcomes):
    return {f"{case}-{version}": set(outcomes) for version in ("1.2", "1.3")}


# What may come of a case. In TLS 1.2 handshake_failure covers what wolfSSL ends without an alert of its own.
EXPECTED = {
    **both("plain", "answered"),
    **both("certificate-unasked", UNEXPECTED),
    "certificate-verify-unasked-1.2": {UNEXPECTED, REFUSED},
    "certificate-verify-unasked-1.3": {UNEXPECTED},
    **both("hello-again", UNEXPECTED),
    "hello-done-of-a-client-1.2": {UNEXPECTED, REFUSED},
    "hello-done-of-a-client-1.3": {UNEXPECTED},
    **both("heartbeat", UNEXPECTED),
    **both("finished-changed", "alert decrypt_error"),
    "finished-short-1.2": {DECODE, REFUSED},
    "finished-short-1.3": {DECODE},
    **both("data-before-finished", UNEXPECTED),
    **both("record-damaged", "alert bad_record_mac"),
    # The other side is gone: there is no one to answer.
    **both("fatal-alert", "closed"),
    **both("close-notify-in-handshake", "closed", REFUSED),
    # Signed by an authority that the listener does not trust, and without a signature that shows whose it is.
    **both("certificate-without-key", "alert bad_certificate", "alert unknown_ca"),
    "key-exchange-missing-1.2": {UNEXPECTED},
    "key-exchange-twice-1.2": {UNEXPECTED},
    "change-cipher-missing-1.2": {UNEXPECTED},
    "change-cipher-early-1.2": {UNEXPECTED},
    "change-cipher-twice-1.2": {UNEXPECTED, REFUSED},
    "change-cipher-late-1.3": {UNEXPECTED},
    "key-update-early-1.3": {UNEXPECTED},
    "end-of-early-data-1.3": {UNEXPECTED},
    "point-empty-1.2": {PARAMETER, DECODE},
    "point-short-1.3": {PARAMETER, DECODE, REFUSED},
    **both("point-off-the-curve", PARAMETER),
    "no-key-share-1.3": {"alert missing_extension"},
    "no-groups-1.3": {"alert missing_extension"},
    "no-signatures-1.3": {"alert missing_extension"},
    "compression-1.3": {PARAMETER},
    "compression-missing-1.2": {PARAMETER, DECODE},
    "session-of-33-bytes-1.3": {PARAMETER, DECODE},
    "hello-of-another-length-1.3": {DECODE},
    "extensions-of-another-length-1.3": {DECODE},
    "version-of-ssl-3-1.3": {VERSION},
    "unknown-version-1.3": {VERSION},
    "fallback-1.2": {"alert inappropriate_fallback"},
    "grease-1.3": {"answered"},
    "rsa-key-exchange-1.2": {REFUSED},
    "cbc-1.2": {REFUSED},
}
# Where kferry does not do what it should: what it does, until it is mended.
DEVIATIONS = {
    # legacy_version is not to matter beside supported_versions (RFC 8446 §4.2.1).
    "version-of-the-future-1.3": {REFUSED, VERSION},
}


@pytest.fixture(scope="module")
def outcomes(request, network, module_scratch, dial_watch, authority, broker):
    """What came of each case, by its name."""
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")
    own = {"certificate": server_certificate(authority).pem()}
    listener = Listener("tls", 1, "SSL", tls=own)
    mutual = Listener("mutual", 1, "SSL", ssl_client_auth="REQUIRE", tls={**own, "client_cas": authority.certificate})
    upstream = Upstream("attacked", broker.address(), listener, mutual, security_protocol="PLAINTEXT")
    kferry = Kferry(network, module_scratch, broker.address(), upstreams=[upstream])
    dial_watch.kferrys.update(kferry.addresses())
    kferry.start()
    where = listener.addresses()[0]
    with tls_client.connect(network, where, tls_client.settings(authority)) as bystander:
        assert tls_client.answers(bystander, 1)
        command = tls_attacker.command(*where, mutual.first)
        result = run(command, module_scratch / "tls-attacker.log", network.clients, timeout=280)
        assert result.code == 0, result
        assert tls_client.answers(bystander, 2)
    kferry.stop()
    print(f"\nTLS-Attacker {tls_attacker.VERSION}:\n{result.output}")
    return dict(line.split(" ", 1) for line in result.output.splitlines() if " " in line)


@pytest.mark.parametrize("case", EXPECTED)
def test_a_rule_of_tls_broken(outcomes, case):
    assert outcomes[case] in EXPECTED[case]


@pytest.mark.parametrize("case", DEVIATIONS)
def test_a_known_deviation_is_as_known(outcomes, case):
    assert outcomes[case] in DEVIATIONS[case]


def test_every_case_is_judged(outcomes):
    assert set(outcomes) == set(EXPECTED) | set(DEVIATIONS)
