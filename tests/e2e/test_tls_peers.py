"""openssl's s_client before kferry's listeners, and its s_server behind an upstream: versions, ciphers, curves,
resumption, certificates good and bad; each failure with its one line and the alert that the other side sees."""

import re
import select

import pytest

from lab import tls_client, wire
from lab.certificates import Authority
from lab.kferry import Kferry, Listener, Upstream
from lab.namespaces import MIDDLE_TO_CLIENTS, broker_address
from lab.openssl import QUESTION, Conversation, Server
from lab.tls_sides import server_certificate

pytestmark = pytest.mark.quick

SUBJECTS = ["CN=app-*,OU=lab,O=kferry"]
VERSIONS = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
SIGNED = {"every": "ECDSA", "everyrsa": "RSA"}


@pytest.fixture(scope="module")
def strangers(directory):
    """An authority that no side here trusts."""
    return Authority(directory / "strangers", "Strange")


@pytest.fixture(scope="module")
def revoked(authority):
    certificate = authority.issue("app-revoked")
    authority.revoke(certificate)
    return certificate


@pytest.fixture(scope="module")
def offered(network, module_scratch, authority):
    """The ciphers and the curves that kferry names when it is asked for one that it has not."""
    where = {
        "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL",
        "GATEWAY_SSL_CIPHER_SUITES": "NO-SUCH-CIPHER",
        "GATEWAY_SSL_CURVES": "no-such-curve",
        "GATEWAY_SSL_KEY_STORE_PATH": str(server_certificate(authority).pem()),
    }
    lists = []
    for absent in ("GATEWAY_SSL_CURVES", "GATEWAY_SSL_CIPHER_SUITES"):
        more = {key: value for key, value in where.items() if key != absent}
        shown = Kferry(network, module_scratch, "127.0.0.1:1", more=more).run("check").output
        lists.append(re.search(r"is not offered here; there are ([\w -]+)", shown)[1].split())
    return lists


@pytest.fixture(scope="module")
def rsa(authority):
    return authority.issue("kferry-rsa", f"IP:{MIDDLE_TO_CLIENTS}", rsa=True)


@pytest.fixture(scope="module")
def listeners(authority, revoked, offered, rsa):
    own, all_ciphers = server_certificate(authority), ":".join(offered[0])
    ec = {"certificate": own.certificate, "key": own.key}
    judging = {**ec, "client_cas": authority.certificate, "crl": authority.revocations(),
               "required_subjects": SUBJECTS}  # fmt: skip
    made = {
        "usual": Listener("usual", 1, "SSL", tls=ec),
        "every": Listener("every", 1, "SSL", tls={**ec, "cipher_suites": all_ciphers}),
        "everyrsa": Listener("everyrsa", 1, "SSL", tls={"certificate": rsa.pem(), "cipher_suites": all_ciphers}),
        "onecurve": Listener("onecurve", 1, "SSL", tls={**ec, "curves": "P-256"}),
        "newest": Listener("newest", 1, "SSL", tls={**ec, "enabled_protocols": "TLSv1.3"}),
        "require": Listener("require", 1, "SSL", tls=judging, ssl_client_auth="REQUIRE"),
        "optional": Listener("optional", 1, "SSL", tls=judging, ssl_client_auth="OPTIONAL"),
    }
    return made


BAD_BROKERS = {
    "wrongname": ("does not name {host}", "advertise a name|reissue"),
    "untrusted": ("not an authority of the trust store", "add that authority"),
    "expired": ("has expired", "renew"),
    "demanding": ("certificate", "key store"),
    "plaintext": ("plaintext", "PLAINTEXT or SASL_PLAINTEXT"),
    "oldest": ("no TLS version|version", "1.2 and 1.3"),
}


def upstream_variants(ciphers, curves):
    """{name: (certificate's kind, s_server's words, what it then says)}"""
    made = {}
    for number, cipher in enumerate(ciphers):
        newest = cipher.startswith("TLS_")
        kind = "rsa" if "-RSA-" in cipher else "ec"
        words = ["-tls1_3", "-ciphersuites", cipher] if newest else ["-tls1_2", "-cipher", cipher]
        made[f"cipher{number}"] = (kind, words, rf"CIPHER is {cipher}$")
    for number, curve in enumerate(curves):
        shown = {"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1"}.get(curve, curve.lower())
        for version, word in VERSIONS.items():
            name = f"curve{number}v{version[-1]}"
            made[name] = ("rsa", [word, "-groups", curve], rf"^Shared groups: {shown}$")
    return made


@pytest.fixture(scope="module")
def servers(network, module_scratch, authority, strangers, offered):
    """s_servers by name: the good ones of every variant, and the bad."""
    ec, rsa = (
        authority.issue(f"s-server-{kind}", f"IP:{broker_address(13)}", rsa=kind == "rsa") for kind in ("ec", "rsa")
    )
    bad = {
        "wrongname": (authority.issue("elsewhere", "DNS:elsewhere.lab"), []),
        "untrusted": (strangers.issue("s-server", f"IP:{broker_address(13)}"), []),
        "expired": (authority.issue("past", f"IP:{broker_address(13)}", days=(-10, -1)), []),
        "demanding": (ec, ["-Verify", "3", "-verify_return_error", "-CAfile", authority.certificate]),
        "oldest": (ec, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]),
        "resuming": (ec, []),
    }
    variants = upstream_variants(*offered)
    made = {name: ({"ec": ec, "rsa": rsa}[kind], words) for name, (kind, words, _) in variants.items()}
    started = {}
    for number, (name, (certificate, words)) in enumerate((made | bad).items()):
        where = (broker_address(13), 9200 + number)
        started[name] = Server(network, module_scratch, where, certificate, *words)
    for server in started.values():
        server.ready()
    yield started
    for server in started.values():
        server.close()


@pytest.fixture(scope="module")
def kferry(request, network, module_scratch, dial_watch, broker, listeners, servers, authority, offered):
    """One cluster with TLS towards clients, and one with TLS towards the broker for each s_server.

    The latter have SASL, whose discovery asks no broker without credentials: s_server serves one at a time.
    """
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")
    upstreams = [Upstream("peers", broker.address(), *listeners.values(), security_protocol="PLAINTEXT")]
    towards = {
        "security_protocol": "SASL_SSL",
        "ssl_truststore_location": authority.certificate,
        "ssl_cipher_suites": ":".join(offered[0]),
    }
    addresses = {name: server.address for name, server in servers.items()} | {"plaintext": broker.address()}
    for name, address in addresses.items():
        listeners[name] = Listener(name, 1, "SASL_PLAINTEXT")
        upstreams.append(Upstream(name, address, listeners[name], **towards))
    kferry = Kferry(network, module_scratch, broker.address(), upstreams=upstreams)
    dial_watch.kferrys.update(kferry.addresses())
    kferry.start()
    yield kferry
    kferry.stop()


@pytest.fixture
def talk(network, scratch, kferry, listeners, authority, dials):
    """Talks to a listener as s_client; the conversation, and the line that kferry wrote if one is due."""

    def talk(listener, *words, cause=None, ca=None):
        source = network.another_client() if cause else None
        where = listeners[listener].addresses()[0]
        trust = ["-CAfile", ca or authority.certificate, "-verify_return_error", "-verify_ip", where[0]]
        conversation = Conversation(network, scratch, where, *trust, *words, source=source)
        if not cause:
            return conversation
        subject = rf"subject={re.escape(source)} "
        kferry.wait_for_log(subject)
        lines = kferry.matching(subject)
        assert len(lines) == 1 and f" cause={cause} " in lines[0], (lines, conversation.output)
        conversation.line = lines[0]
        return conversation

    return talk


def test_every_cipher_towards_clients(talk, offered):
    wrong = []
    for cipher in offered[0]:
        newest = cipher.startswith("TLS_")
        words = ["-tls1_3", "-ciphersuites", cipher] if newest else ["-tls1_2", "-cipher", cipher]
        for listener in [name for name, kind in SIGNED.items() if newest or f"-{kind}-" in cipher]:
            said = talk(listener, *words)
            if not said.answered or said.cipher != cipher:
                wrong.append((listener, cipher, said.cipher, said.alert))
    assert len(offered[0]) > 8 and not wrong, wrong


def test_every_curve_towards_clients(talk, offered):
    wrong = []
    for curve in offered[1]:
        for version, word in VERSIONS.items():
            said = talk("everyrsa", word, "-groups", curve)
            if not said.answered or said.curve != curve or said.version != version:
                wrong.append((version, curve, said.curve, said.alert))
    assert len(offered[1]) > 3 and not wrong, wrong


def test_a_hello_that_guessed_another_curve_is_asked_again(talk):
    said = talk("onecurve", "-tls1_3", "-groups", "X25519:P-256")
    assert said.answered and said.curve == "P-256", said.output


def test_what_is_not_offered_by_default(talk):
    said = talk("usual", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256", cause="no_common_cipher")
    assert said.alert == 40 and "widen what is configured" in said.line, said.output


def test_no_common_version(talk):
    said = talk("usual", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", cause="no_common_version")
    assert said.alert == 70 and "1.2 and 1.3" in said.line, said.output
    said = talk("newest", "-tls1_2", cause="no_common_version")
    assert said.alert == 70, said.output
    assert talk("newest").protocol == "TLSv1.3"


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_a_client_that_distrusts_kferry(talk, strangers, version):
    said = talk("usual", version, ca=strangers.certificate, cause="certificate_refused")
    assert not said.answered and "trust store" in said.line, said.output


def test_a_session_is_resumed_under_1_2(talk, listeners):
    said = talk("usual", "-tls1_2", "-reconnect")
    assert said.output.count("Reused, TLSv1.2") == 5, said.output


def test_a_session_is_resumed_under_1_3(talk, scratch):
    kept = scratch / "session.pem"
    said = talk("usual", "-tls1_3", "-sess_out", kept)
    assert said.answered and not said.resumed, said.output
    said = talk("usual", "-tls1_3", "-sess_in", kept)
    assert said.answered and said.resumed, said.output


def words_of(certificate):
    return ["-cert", certificate.certificate, "-key", certificate.key]


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_client_certificates(talk, authority, strangers, revoked, version):
    # One of X.509's version 1, as `openssl x509 -req` makes without -extfile, is as good to a broker.
    for good in (authority.issue("app-1"), authority.issue("app-v1", v1=True)):
        for listener in ("require", "optional"):
            said = talk(listener, version, *words_of(good))
            assert said.answered, said.output
    assert talk("optional", version).answered

    newest = version == "-tls1_3"
    # (RFC 8446, 6.2; RFC 5246, 7.2.2)
    bad = {
        "absent": ([], "client_certificate_missing", {116} if newest else {40}, "key store"),
        "expired": (words_of(authority.issue("app-past", days=(-10, -1))), "certificate_expired", {45}, "renew"),
        "strange": (words_of(strangers.issue("app-2")), "certificate_untrusted", {48}, "add that authority"),
        "revoked": (words_of(revoked), "certificate_revoked", {44}, "revoked"),
        "other": (words_of(authority.issue("web-1")), "certificate_not_allowed", {42, 49}, "subject"),
    }
    wrong = []
    for name, (words, cause, alerts, remedy) in bad.items():
        said = talk("require", version, *words, cause=cause)
        if said.answered or said.alert not in alerts or remedy not in said.line:
            wrong.append((name, said.alert, said.line))
        if name != "absent" and talk("optional", version, *words, cause=cause).answered:
            wrong.append((name, "served where certificates are optional"))
    assert not wrong, wrong


def test_plaintext_and_http_on_a_port_with_tls(kferry, network, listeners):
    for data, cause in ((QUESTION, "plaintext_on_tls"), (b"GET / HTTP/1.1\r\nHost: k\r\n\r\n", "http_on_tls")):
        source = network.another_client()
        with network.clients.connect(listeners["usual"].addresses()[0], source=source) as client:
            client.sendall(data)
            assert wire.is_over(client)
        line = kferry.wait_for_log(rf"subject={re.escape(source)} ")
        assert f" cause={cause} " in line, line


def ask(network, listener, source=None):
    """Asks a cluster's only port; the connection that stays open, or ends."""
    client = network.clients.connect(listener.addresses()[0], source=source)
    client.sendall(QUESTION)
    return client


def test_every_version_cipher_and_curve_towards_brokers(kferry, network, listeners, servers, offered):
    wrong = []
    for name, (_, words, expected) in upstream_variants(*offered).items():
        with ask(network, listeners[name]):
            try:
                shown = servers[name].wait_for_question()
            except AssertionError as problem:
                wrong.append((name, words, str(problem)[-300:]))
                continue
            if not re.search(expected, shown, re.M):
                wrong.append((name, words, shown))
    assert not wrong, wrong


def test_a_ticket_goes_with_the_first_answer(kferry, network, listeners, authority):
    """It costs no segment of its own, unless the answer takes the 200 ms after which it goes alone."""
    context, where = tls_client.settings(authority), listeners["usual"].addresses()[0]

    def segments_of_an_answer():
        with tls_client.connect(network, where, context) as client:
            before = tls_client.data_segments(client)
            assert tls_client.answers(client)
            assert client.version() == "TLSv1.3" and client.session.has_ticket
            return tls_client.data_segments(client) - before

    assert min(segments_of_an_answer() for _ in range(5)) == 1


def test_a_ticket_comes_though_nothing_is_asked(kferry, network, listeners, authority):
    with tls_client.connect(network, listeners["usual"].addresses()[0], tls_client.settings(authority)) as client:
        assert select.select([client], [], [], 20)[0], "no ticket came"


def test_a_session_with_a_broker_is_resumed(kferry, network, listeners, servers):
    server = servers["resuming"]
    for count in (1, 2):
        with ask(network, listeners["resuming"]):
            shown = server.wait_for_question(count)
        server.process.wait_for_line("^DONE", 20, count=count)
    # By the second client, and by the first if the question for its health came before.
    assert "Reused session-id" in shown, shown


@pytest.mark.parametrize("name", BAD_BROKERS)
def test_a_broker_that_cannot_be_trusted(kferry, network, listeners, name):
    source = network.another_client()
    with ask(network, listeners[name], source) as client:
        client.settimeout(20)
        assert wire.is_over(client)
    subject = rf"subject={re.escape(source)} "
    kferry.wait_for_log(subject)
    lines = kferry.matching(subject)
    assert len(lines) == 1, lines
    for pattern in BAD_BROKERS[name]:
        assert re.search(pattern.format(host=re.escape(broker_address(13))), lines[0]), lines[0]
