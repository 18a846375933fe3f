"""TLS from the command line: `check` opens every store and says what is in it or what is wrong with it; `doctor` names
the library. Certificates are made anew by the openssl command.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import pytest

KFERRY = os.environ["KFERRY"]
PASSWORD = "s3cr3t-Pw"


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


def certificate(folder, name, days="90", names="DNS:gw.example,IP:192.0.2.9"):
    """NAME.crt and NAME.key, signed by itself."""
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days,
            "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/O=Example/CN={name}",
            "-addext", f"subjectAltName={names}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "other"):
        certificate(folder, name)
    openssl(folder, "pkcs12", "-export", "-inkey", "server.key", "-in", "server.crt", "-out", "server.p12",
            "-passout", f"pass:{PASSWORD}")
    return folder


@pytest.fixture
def env(made):
    return {
        "KAFKA_BOOTSTRAP_SERVERS": "192.0.2.1:9092",
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_TRUSTSTORE_LOCATION": str(made / "server.crt"),
        "GATEWAY_LISTENER_NAMES": "external",
        "GATEWAY_LISTENER_EXTERNAL_PORTS": "6969-6971",
        "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "192.0.2.9",
        "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL",
        "GATEWAY_SSL_KEY_STORE_PATH": str(made / "server.p12"),
        "GATEWAY_SSL_KEY_STORE_PASSWORD": PASSWORD,
    }


def check(env, *words):
    shown = subprocess.run([KFERRY, "check", *words], env={"PATH": os.environ["PATH"], **env}, capture_output=True,
                           text=True, timeout=60, check=False)
    assert PASSWORD not in shown.stdout + shown.stderr
    return shown


def test_check_reports_the_certificates(env, made):
    shown = check(env)
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    for part in ("Certificates", "CN=server,O=Example", "gw.example, 192.0.2.9", "UTC", str(made / "server.p12"),
                 "TLS 1.2 and 1.3", "client certificates: none asked for", "host names verified"):
        assert part in shown.stdout


def test_check_fails_on_what_is_broken_and_names_the_remedy(env, made):
    shown = check(env | {"GATEWAY_SSL_KEY_STORE_PASSWORD": "wrong",
                         "KAFKA_SSL_TRUSTSTORE_LOCATION": str(made / "none.pem")})
    assert shown.returncode == 2 and shown.stdout == ""
    assert "2 errors in the configuration" in shown.stderr
    assert "does not open with this password: correct GATEWAY_SSL_KEY_STORE_PASSWORD" in shown.stderr
    assert "none.pem: there is no such file" in shown.stderr


def test_broken_stores_and_wrong_settings_are_told_together(env, made):
    shown = check(env | {"GATEWAY_SSL_KEY_STORE_PATH": str(made / "none.p12"), "GATEWAY_ACL_ENABLED": "true"})
    assert shown.returncode == 2
    assert "none.p12: there is no such file" in shown.stderr and "GATEWAY_ACL_ENABLED" in shown.stderr
    assert "2 errors" in shown.stderr


def test_a_key_of_another_certificate(env, made, tmp_path):
    file = tmp_path / "both.pem"
    file.write_text((made / "server.crt").read_text() + (made / "other.key").read_text())
    shown = check(env | {"GATEWAY_SSL_KEY_STORE_PATH": str(file)})
    assert shown.returncode == 2
    assert "the private key does not belong to the certificate of CN=server" in shown.stderr


def test_of_several_keys_the_one_that_names_the_host_and_all_in_the_check(env, made, tmp_path):
    certificate(tmp_path, "elsewhere", names="DNS:elsewhere.example")
    store = tmp_path / "two.pem"
    store.write_text("".join((folder / name).read_text() for folder, name in (
        (tmp_path, "elsewhere.key"), (tmp_path, "elsewhere.crt"), (made, "server.key"), (made, "server.crt"))))
    env = env | {"GATEWAY_SSL_KEY_STORE_PATH": str(store)}
    shown = check(env)
    assert shown.returncode == 0 and shown.stderr == "", shown.stderr
    keys = shown.stdout.split("Keys in stores that hold several")[1].split("\n\n")[0]
    assert "CN=elsewhere,O=Example" in keys
    assert any("CN=server,O=Example" in line and "in use" in line for line in keys.splitlines()), keys
    chosen = check(env | {"GATEWAY_LISTENER_EXTERNAL_SSL_KEY_ALIAS": "1"})
    assert chosen.returncode == 0 and "does not name 192.0.2.9" in chosen.stderr
    unnamed = check(env | {"GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "third.example"})
    assert unnamed.returncode == 2
    assert ("set GATEWAY_LISTENER_EXTERNAL_SSL_KEY_ALIAS to one of 1 (CN=elsewhere,O=Example), 2 (CN=server,O=Example)"
            in unnamed.stderr), unnamed.stderr


def test_a_file_that_kferry_may_not_read(env, made):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        copied = {file: shutil.copy(source, folder) for file, source in
                  (("store", made / "server.p12"), ("authorities", made / "server.crt"), ("kferry", KFERRY))}
        os.chmod(copied["store"], 0)
        # Root reads everything: the same as somebody else.
        nobody = pwd.getpwnam("nobody")
        other = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        variables = env | {"GATEWAY_SSL_KEY_STORE_PATH": copied["store"],
                           "KAFKA_SSL_TRUSTSTORE_LOCATION": copied["authorities"]}
        shown = subprocess.run([copied["kferry"], "check"], env={"PATH": os.environ["PATH"], **variables},
                               capture_output=True, text=True, timeout=60, check=False, **other)
    assert shown.returncode == 2
    assert "server.p12: kferry may not read it: let kferry's user read the file" in shown.stderr


def test_warnings_a_certificate_that_ends_soon_or_names_another_host(env, tmp_path):
    certificate(tmp_path, "short", days="3", names="DNS:elsewhere.example")
    both = tmp_path / "short.pem"
    both.write_text((tmp_path / "short.crt").read_text() + (tmp_path / "short.key").read_text())
    shown = check(env | {"GATEWAY_SSL_KEY_STORE_PATH": str(both)})
    assert shown.returncode == 0, shown.stderr
    assert "expires at" in shown.stderr and "does not name 192.0.2.9" in shown.stderr


def test_warnings_a_weak_key_or_signature(env, tmp_path):
    """What kferry serves, but OpenSSL 3 clients refuse (security level 2; SHA-1 at any)."""
    openssl(tmp_path, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-keyout", "ca.key", "-out", "ca.crt",
            "-subj", "/CN=ca")

    def told(bits, digest, *, self_signed=False):
        signer = ["-signkey", "leaf.key"] if self_signed else ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
        openssl(tmp_path, "req", "-new", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", "leaf.key", "-out", "leaf.csr",
                "-subj", "/CN=leaf", "-addext", "subjectAltName=IP:192.0.2.9")
        openssl(tmp_path, "x509", "-req", "-in", "leaf.csr", "-copy_extensions", "copy", "-days", "90", f"-{digest}",
                "-out", "leaf.crt", *signer)
        both = tmp_path / "leaf.pem"
        both.write_text((tmp_path / "leaf.crt").read_text() + (tmp_path / "leaf.key").read_text())
        shown = check(env | {"GATEWAY_SSL_KEY_STORE_PATH": str(both)})
        assert shown.returncode == 0, shown.stderr
        return shown.stderr

    weak = told(1024, "sha256")
    assert "leaf.pem: the certificate of CN=leaf has an RSA key of 1024 bits, which OpenSSL 3 refuses" in weak
    assert "signed with" not in weak
    old = told(2048, "sha1")
    assert "is signed with SHA1" in old and "sign it again with SHA-256" in old and "RSA key of" not in old
    assert told(2048, "sha256") == ""
    assert told(2048, "sha1", self_signed=True) == ""


def test_routing_by_sni_in_the_plan(env, tmp_path):
    certificate(tmp_path, "wild", names="DNS:*.k.example")
    both = tmp_path / "wild.pem"
    both.write_text((tmp_path / "wild.crt").read_text() + (tmp_path / "wild.key").read_text())
    env = {name: value for name, value in env.items() if not name.endswith("ADVERTISED_HOST")}
    shown = check(env | {"GATEWAY_SSL_KEY_STORE_PATH": str(both), "GATEWAY_LISTENER_EXTERNAL_PORTS": "9092",
                         "GATEWAY_LISTENER_EXTERNAL_ROUTING": "sni",
                         "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN": "broker-{{nodeId}}.k.example"})
    assert shown.returncode == 0, shown.stderr
    assert "does not name" not in shown.stderr
    for part in ("clients bootstrap at broker.k.example:9092", "broker-{{nodeId}}.k.example:9092", "*.k.example"):
        assert part in shown.stdout


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def two_clusters(tmp_path_factory):
    """Two clusters on one socket, told apart by the server name; the folder with their certificates, and the port."""
    folder = tmp_path_factory.mktemp("sni")
    port, http = free_port(), free_port()
    text = f"[operations]\nbind = '127.0.0.1:{http}'\n"
    for name in ("orders", "logs"):
        certificate(folder, name, names=f"DNS:*.{name}.example")
        text += (f"[cluster.{name}.upstream]\nbootstrap_servers = ['127.0.0.1:1']\nsecurity_protocol = 'PLAINTEXT'\n"
                 f"[cluster.{name}.listener.outside]\nrouting = 'sni'\nsecurity_protocol = 'SSL'\n"
                 f"bind_address = '127.0.0.1'\nports = '9092:{port}'\n"
                 f"advertised_host_pattern = 'b{{{{nodeId}}}}.{name}.example'\n"
                 f"bootstrap_host_pattern = 'boot.{name}.example'\n"
                 f"tls = {{ certificate = '{folder}/{name}.crt', key = '{folder}/{name}.key' }}\n")
    file = folder / "kferry.toml"
    file.write_text(text)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([KFERRY, "run", "--config", str(file)], env={"PATH": os.environ["PATH"]},
                                   stderr=log, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: "is ready: 1 port," in (folder / "log").read_text() or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield folder, port
    finally:
        process.send_signal(signal.SIGINT)  # drains without a lame duck
        assert process.wait(timeout=30) == 0


def wait_for(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "nothing came in 20 s"
        time.sleep(0.02)


def s_client(folder, port, authority, *words):
    shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
                            str(folder / f"{authority}.crt"), "-verify_return_error", *words],
                           input="", capture_output=True, text=True, timeout=60, check=False)
    return shown.returncode, shown.stdout + shown.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name", ["boot.orders.example", "b0.orders.example", "b41.logs.example", "BOOT.logs.example"])
def test_each_name_on_a_shared_port_shows_its_clusters_certificate(two_clusters, version, name):
    folder, port = two_clusters
    code, shown = s_client(folder, port, name.split(".")[1], version, "-servername", name, "-verify_hostname", name)
    assert code == 0 and "Verify return code: 0 (ok)" in shown, shown


@pytest.mark.parametrize("number, words, line", [
    (2, ["-tls1_2", "-servername", "b1.elsewhere.example"], "no listener here serves the name b1.elsewhere.example"),
    (3, ["-tls1_3", "-servername", "b01.orders.example"], "no listener here serves the name b01.orders.example"),
    (4, ["-tls1_3", "-noservername"], "the client sent no server name (SNI), which this port needs to choose a broker")])
def test_a_name_of_nobody_is_refused_and_told(two_clusters, number, words, line):
    folder, port = two_clusters
    # The log limits lines by client address.
    code, shown = s_client(folder, port, "orders", "-bind", f"127.0.0.{number}:0", *words)
    assert code != 0 and "unrecognized name" in shown, shown
    deadline = time.monotonic() + 10  # the log has a thread of its own
    told = []
    while not told and time.monotonic() < deadline:
        told = [one for one in (folder / "log").read_text().splitlines() if f"subject=127.0.0.{number} " in one]
    assert len(told) == 1 and "cause=server_name_unknown" in told[0] and line in told[0]
    assert "this port serves boot.orders.example, b{{nodeId}}.orders.example, boot.logs.example" in told[0]


def test_shared_ports_in_the_plan(two_clusters):
    folder, port = two_clusters
    shown = check({}, "--config", str(folder / "kferry.toml"))
    assert shown.returncode == 0, shown.stderr
    for part in ("clients bootstrap at boot.orders.example:9092", "b{{nodeId}}.logs.example:9092"):
        assert part in shown.stdout
    firewall = [line for line in shown.stdout.split("Firewall")[1].splitlines() if line.split()[:2] == ["in", "clients"]]
    assert len(firewall) == 1 and str(port) in firewall[0]


def test_run_ends_on_a_broken_store(env, made):
    env = env | {"GATEWAY_SSL_KEY_STORE_PATH": str(made / "none.p12")}
    shown = subprocess.run([KFERRY, "run"], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True,
                           timeout=60, check=False)
    assert shown.returncode == 2


def test_doctor_names_the_library_and_the_kernels_tls():
    shown = subprocess.run([KFERRY, "doctor"], capture_output=True, text=True, timeout=60, check=False).stdout
    assert "wolfSSL" in shown and "AES instructions" in shown and "kernel TLS" in shown


def answer(request, port):
    """What a broker says to ApiVersions 0 and Metadata 2; it advertises itself as localhost."""
    key, _version, correlation = struct.unpack_from(">hhi", request)
    if key == 18:
        return struct.pack(">ihi", correlation, 0, 2) + struct.pack(">hhh", 3, 0, 13) + struct.pack(">hhh", 18, 0, 4)
    text = lambda value: struct.pack(">h", len(value)) + value
    broker = struct.pack(">i", 1) + text(b"localhost") + struct.pack(">i", port) + struct.pack(">h", -1)
    return struct.pack(">ii", correlation, 1) + broker + text(b"a-cluster") + struct.pack(">ii", 1, 0)


class Broker:
    """Answers on loopback through TLS, one connection after the other; requires a certificate of `clients` if given."""

    def __init__(self, folder, name, highest=ssl.TLSVersion.TLSv1_3, clients=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        self.context.maximum_version = highest
        if clients is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(folder / f"{clients}.crt")
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        while True:
            try:
                plain, _ = self.listening.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as connection:
                    stream = connection.makefile("rwb")
                    while size := stream.read(4):
                        reply = answer(stream.read(struct.unpack(">i", size)[0]), self.port)
                        stream.write(struct.pack(">i", len(reply)) + reply)
                        stream.flush()
            except OSError:
                plain.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    certificate(folder, "local", names="DNS:localhost,IP:127.0.0.1")
    certificate(folder, "elsewhere", names="DNS:elsewhere.example")
    return folder


def probe(*words):
    return subprocess.run([KFERRY, "probe", *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_probe_asks_through_tls_and_visits_what_is_advertised(local, highest):
    with Broker(local, "local", highest) as broker:
        shown = probe(f"localhost:{broker.port}", "--ca", str(local / "local.crt"))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "cluster a-cluster" in shown.stdout
    version = "TLS 1.2" if highest == ssl.TLSVersion.TLSv1_2 else "TLS 1.3"
    assert shown.stdout.count(version) == 2 and "2 APIs" in shown.stdout
    assert "certificate of CN=local" in shown.stdout


def test_probe_refuses_a_certificate_of_another_host_or_of_strangers(local):
    with Broker(local, "elsewhere") as broker:
        shown = probe(f"localhost:{broker.port}", "--ca", str(local / "elsewhere.crt"))
    assert shown.returncode == 1 and "does not name localhost" in shown.stdout
    with Broker(local, "local") as broker:
        shown = probe(f"localhost:{broker.port}", "--tls")
    assert shown.returncode == 1 and "FAILED" in shown.stdout
    assert probe("localhost:1", "--ca", str(local / "none")).returncode == 1


def test_probe_without_tls_says_that_it_may_be_wanted(local):
    with Broker(local, "local") as broker:
        shown = probe(f"localhost:{broker.port}", "--timeout", "3000")
    assert shown.returncode == 1 and "TLS" in shown.stdout


@pytest.fixture(scope="module")
def clients(local):
    """In the folder of `local`: the certificate of a client in several forms, and files with its password."""
    certificate(local, "client", names="DNS:client.example")
    certificate(local, "stranger", names="DNS:stranger.example")
    openssl(local, "pkcs12", "-export", "-inkey", "client.key", "-in", "client.crt", "-out", "client.p12",
            "-passout", f"pass:{PASSWORD}")
    openssl(local, "pkcs8", "-topk8", "-in", "client.key", "-out", "client.enc.key", "-passout", f"pass:{PASSWORD}")
    openssl(local, "pkcs12", "-export", "-nokeys", "-in", "local.crt", "-out", "trust.p12", "-passout", f"pass:{PASSWORD}")
    (local / "client.both").write_text((local / "client.key").read_text() + (local / "client.crt").read_text())
    (local / "password").write_text(PASSWORD + "\n")
    (local / "wrong").write_text("another\n")
    return local


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_probe_speaks_of_the_client_certificate_that_it_lacks(clients, version):
    with Broker(clients, "local", version, clients="client") as broker:
        shown = probe(f"localhost:{broker.port}", "--ca", str(clients / "local.crt"))
        refused = probe(f"localhost:{broker.port}", "--ca", str(clients / "local.crt"),
                        "--certificate", str(clients / "stranger.crt"), "--key", str(clients / "stranger.key"))
    assert shown.returncode == 1 and "--certificate FILE" in shown.stdout and "client certificate" in shown.stdout
    assert "upstream" not in shown.stdout and "key store" not in shown.stdout
    assert refused.returncode == 1 and "refuses the client certificate in" in refused.stdout, refused.stdout
    assert "stranger.crt" in refused.stdout and "upstream" not in refused.stdout


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("words", [
    ["--certificate", "client.both"],
    ["--certificate", "client.crt", "--key", "client.key"],
    ["--certificate", "client.crt", "--key", "client.enc.key", "--password-file", "password"],
    ["--certificate", "client.p12", "--password-file", "password"],
    ["--certificate", "client.p12", "--password-file", "password", "--ca", "trust.p12", "--ca-password-file", "password"]])
def test_probe_shows_a_client_certificate(clients, version, words):
    words = words if "--ca" in words else [*words, "--ca", "local.crt"]
    words = [word if word.startswith("--") else str(clients / word) for word in words]
    with Broker(clients, "local", version, clients="client") as broker:
        shown = probe(f"localhost:{broker.port}", *words)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "cluster a-cluster" in shown.stdout and "1 broker advertised" in shown.stdout


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_probe_of_a_listener_that_requires_a_client_certificate(clients, env, version):
    port, log = free_port(), clients / f"kferry-{version}.log"
    with Broker(clients, "local") as broker, log.open("w") as out:
        process = subprocess.Popen([KFERRY, "run"], stderr=out, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], **env,
            "KAFKA_BOOTSTRAP_SERVERS": f"localhost:{broker.port}", "KAFKA_SSL_TRUSTSTORE_LOCATION": str(clients / "local.crt"),
            "GATEWAY_LISTENER_EXTERNAL_PORTS": str(port), "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "localhost",
            "GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS": "127.0.0.1", "GATEWAY_SSL_CLIENT_AUTH": "REQUIRE",
            "GATEWAY_SSL_TRUST_STORE_PATH": str(clients / "client.crt"), "GATEWAY_SSL_ENABLED_PROTOCOLS": version})
        try:
            wait_for(lambda: "is ready" in log.read_text() or process.poll() is not None)
            target, words = f"localhost:{port}", ["--ca", env["KAFKA_SSL_TRUSTSTORE_LOCATION"], "--server-name", "gw.example"]
            without = probe(target, *words)
            with_one = probe(target, *words, "--certificate", str(clients / "client.both"))
            wait_for(lambda: "cluster default has 1 broker: 1" in log.read_text())
        finally:
            process.send_signal(signal.SIGINT)  # drains without a lame duck
            process.wait(timeout=30)
    assert without.returncode == 1 and "client certificate" in without.stdout and "--certificate FILE" in without.stdout
    assert "upstream" not in without.stdout
    assert "APIs" in with_one.stdout.splitlines()[0], with_one.stdout + with_one.stderr + log.read_text()


def test_a_broker_that_is_not_trusted_is_no_matter_of_the_network(clients, env):
    port, log = free_port(), clients / "kferry-untrusted.log"
    with Broker(clients, "local") as broker, log.open("w") as out:
        process = subprocess.Popen([KFERRY, "run"], stderr=out, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], **env,
            "KAFKA_BOOTSTRAP_SERVERS": f"localhost:{broker.port}", "KAFKA_SSL_TRUSTSTORE_LOCATION": str(clients / "elsewhere.crt"),
            "GATEWAY_LISTENER_EXTERNAL_PORTS": str(port), "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "localhost",
            "GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS": "127.0.0.1", "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "PLAINTEXT"})
        try:
            wait_for(lambda: "is ready" in log.read_text() or process.poll() is not None)
            assert probe(f"127.0.0.1:{port}").returncode == 1
            wait_for(lambda: "cause=upstream_unreachable" in log.read_text())
        finally:
            process.send_signal(signal.SIGINT)  # drains without a lame duck
            process.wait(timeout=30)
    line = next(line for line in log.read_text().splitlines() if "cause=upstream_unreachable" in line)
    assert "the broker's certificate of CN=local" in line and "trust store" in line
    assert "DNS" not in line and "network" not in line


@pytest.mark.parametrize("words, told", [
    (["--certificate", "client.p12", "--password-file", "wrong"], "correct --password-file"),
    (["--certificate", "client.p12"], "set --password-file"),
    (["--certificate", "client.crt", "--key", "client.enc.key"], "set --password-file"),
    (["--certificate", "client.crt", "--key", "stranger.key"], "does not belong to the certificate"),
    (["--certificate", "client.crt"], "--certificate: "),
    (["--certificate", "none.p12"], "there is no such file"),
    (["--certificate", "client.p12", "--password-file", "none"], "there is no such file"),
    (["--ca", "trust.p12", "--ca-password-file", "wrong"], "correct --ca-password-file")])
def test_probe_names_the_option_that_is_wrong(clients, words, told):
    words = [word if word.startswith("--") else str(clients / word) for word in words]
    shown = probe("localhost:1", *words)
    assert shown.returncode == 1 and told in shown.stderr, shown.stderr
    assert PASSWORD not in shown.stdout + shown.stderr


@pytest.mark.parametrize("words", [["--key", "k"], ["--password-file", "f"], ["--ca-password-file", "f"]])
def test_options_of_probe_that_mean_nothing_alone(words):
    shown = probe("localhost:1", *words)
    assert shown.returncode == 1 and "requires" in shown.stderr


def test_probe_asks_for_another_name(local):
    with Broker(local, "elsewhere") as broker:
        target, authority = f"127.0.0.1:{broker.port}", str(local / "elsewhere.crt")
        shown = probe(target, "--ca", authority, "--server-name", "elsewhere.example")
        wrong = probe(target, "--ca", authority)
    assert "certificate of CN=elsewhere" in shown.stdout.splitlines()[0], shown.stdout
    assert wrong.returncode == 1 and "--server-name NAME" in wrong.stdout


def test_dial_asks_the_brokers_through_tls(env, local):
    with Broker(local, "local") as broker:
        env = env | {"KAFKA_BOOTSTRAP_SERVERS": f"localhost:{broker.port}",
                     "KAFKA_SSL_TRUSTSTORE_LOCATION": str(local / "local.crt")}
        shown = check(env, "--dial")
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert "TLS 1.3" in shown.stdout and "cluster id a-cluster" in shown.stdout
        stranger = check(env | {"KAFKA_SSL_TRUSTSTORE_LOCATION": str(local / "elsewhere.crt")}, "--dial")
    assert stranger.returncode == 1 and "no bootstrap server" in stranger.stdout
