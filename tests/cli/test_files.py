"""Files that an operator names: what is not a regular file, and what is far too large.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import os
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from running import KFERRY, Broker, Kferry, free_port, listener_variables, receive, request

TOML = """[cluster.a.upstream]
bootstrap_servers = "192.0.2.1:9092"
[cluster.a.listener.x]
ports = "6969-6971"
advertised_host = "192.0.2.9"
security_protocol = "PLAINTEXT"
"""
SASL = listener_variables(6969, "192.0.2.1:9092", "SASL_PLAINTEXT") | {"KAFKA_SASL_MECHANISM": "PLAIN"}
TLS = listener_variables(6969, "192.0.2.1:9092") | {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL"}
# Where a path may be given: words of the command, and variables.
PLACES = {
    "config": lambda path: (["--config", path], {}),
    "env file": lambda path: ([], listener_variables(6969, "192.0.2.1:9092") | {"GATEWAY_ENV_FILE": path}),
    "credentials": lambda path: ([], SASL | {"KAFKA_SASL_JAAS_CONFIG_FILE": path}),
    "key store": lambda path: ([], TLS | {"GATEWAY_SSL_KEY_STORE_PATH": path}),
    "password": lambda path: ([], TLS | {"GATEWAY_SSL_KEY_STORE_PATH": __file__, "GATEWAY_SSL_KEY_STORE_PASSWORD_FILE": path}),
    "trust store": lambda path: ([], listener_variables(6969, "192.0.2.1:9092") | {
        "KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_TRUSTSTORE_LOCATION": path}),
}


def check(words, env, **popen):
    began = time.monotonic()
    shown = subprocess.run([KFERRY, "check", *words], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=30, check=False, **popen)
    return shown.returncode, shown.stdout + shown.stderr, time.monotonic() - began


@pytest.mark.parametrize("place", PLACES)
def test_what_is_not_a_file_is_refused_at_once(tmp_path, place):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with open(tmp_path / "huge", "wb") as huge:
        huge.truncate(20 << 30)
    for path in (tmp_path / "fifo", tmp_path / "folder", tmp_path / "huge", tmp_path / "loop", tmp_path / "missing", "/dev/zero", "/dev/full",
                 "/proc/self/mem"):
        status, text, took = check(*PLACES[place](str(path)))
        assert status == 2, (path, text)
        assert str(path) in text
        assert took < 4, path


def test_a_pipe_whose_writer_never_writes_is_waited_for_a_while(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    writer = os.open(tmp_path / "fifo", os.O_RDWR)
    status, text, took = check(["--config", str(tmp_path / "fifo")], {})
    os.close(writer)
    assert status == 2 and "is a pipe whose writer did not finish in 5 s" in text
    assert took < 10


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_process_substitution_is_read(tmp_path):
    (tmp_path / "k.toml").write_text(TOML)
    (tmp_path / "jaas").write_text('a.PlainLoginModule required username="u" password="p";\n')
    (tmp_path / "env").write_text("\n".join(f"{name}={value}" for name, value in SASL.items()) + "\n")
    for line in ('"$0" check --config <(sleep 0.3; cat k.toml)', 'cat k.toml | "$0" check --config /dev/stdin',
                 'KAFKA_SASL_JAAS_CONFIG_FILE=<(sleep 0.3; cat jaas) GATEWAY_ENV_FILE=<(cat env) "$0" check'):
        shown = subprocess.run(["bash", "-c", line, KFERRY], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
                               cwd=tmp_path, timeout=30, check=False)
        assert shown.returncode == 0, (line, shown.stdout + shown.stderr)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_password_of_a_key_store_comes_by_process_substitution(tmp_path):
    for words in (["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj",
                   "/CN=a", "-addext", "subjectAltName=DNS:kferry.test", "-keyout", "key.pem", "-out", "cert.pem"],
                  ["pkcs12", "-export", "-inkey", "key.pem", "-in", "cert.pem", "-out", "store.p12", "-passout", "pass:secret"]):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    env = {"PATH": os.environ["PATH"], **listener_variables(6969, "127.0.0.1:9092"),
           "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL", "GATEWAY_SSL_KEY_STORE_PATH": "store.p12"}
    for secret, status in (("secret", 0), ("wrong", 2)):
        line = f'GATEWAY_SSL_KEY_STORE_PASSWORD_FILE=<(sleep 0.3; echo {secret}) "$0" check'
        shown = subprocess.run(["bash", "-c", line, KFERRY], env=env, capture_output=True, text=True, cwd=tmp_path,
                               timeout=30, check=False)
        assert shown.returncode == status, shown.stdout + shown.stderr


@pytest.mark.parametrize("line", ["unknown_{} = 1\n", "[cluster.c{}]\nx = 1\n", "[cluster.a.listener.l{}]\nx = 1\n"])
def test_megabytes_of_unknown_keys_give_some_hundred_lines(tmp_path, line):
    file = tmp_path / "k.toml"
    file.write_text((TOML if "listener" in line else "") + "".join(line.format(i) for i in range(60_000)))
    status, text, _ = check(["--config", str(file)], {})
    assert status == 2
    assert 200 <= text.count("\n") < 220
    assert "more errors not shown" in text or "listener" in line


@pytest.mark.parametrize("becomes", ["fifo", "folder", "huge", "device", "loop"])
def test_a_key_store_that_becomes_something_else_stops_nothing(tmp_path, becomes):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=a", "-keyout", "key.pem", "-out", "cert.pem"], cwd=tmp_path, check=True, capture_output=True)
    store, good = tmp_path / "store.pem", (tmp_path / "key.pem").read_text() + (tmp_path / "cert.pem").read_text()
    store.write_text(good)
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with Broker() as broker:
        env = listener_variables(free_port(), f"127.0.0.1:{broker.port}") | {
            "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL", "GATEWAY_SSL_KEY_STORE_PATH": str(store),
            "GATEWAY_HTTP_PORT": str(free_port(1))}
        with Kferry(tmp_path, env) as kferry:
            store.unlink()
            {"fifo": lambda: os.mkfifo(store), "folder": store.mkdir, "device": lambda: store.symlink_to("/dev/zero"),
             "loop": lambda: store.symlink_to(store), "huge": lambda: open(store, "wb").truncate(20 << 30)}[becomes]()
            deadline = time.monotonic() + 10
            while not kferry.lines("tls_renewal_failed"):
                assert time.monotonic() < deadline, kferry.text()
                time.sleep(0.05)
            with socket.create_connection(("127.0.0.1", kferry.port), 5) as plain, tls.wrap_socket(plain) as client:
                client.sendall(request(18, 0))
                assert receive(client), "what was read before serves"
            os.rename(store, tmp_path / "former")
            (tmp_path / "next").write_text(good)
            os.rename(tmp_path / "next", store)
            while not kferry.lines("tls_renewal_well"):
                assert time.monotonic() < deadline + 10, kferry.text()
                time.sleep(0.05)
            began = time.monotonic()
            assert kferry.end() == 0 and time.monotonic() - began < 3
