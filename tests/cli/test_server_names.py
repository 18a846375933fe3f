"""Names for which Java sends no server name (SNI): `check` warns of exactly those, judged by the JDK itself.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import os
import shutil
import subprocess

import pytest

KFERRY = os.environ["KFERRY"]
PATTERN = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN"
LABEL = "a" * 63

# The patterns, each the name of broker 0 once {{nodeId}} is replaced.
PATTERNS = ["broker-{{nodeId}}", "broker_{{nodeId}}.k.example", "broker-{{nodeId}}.k_1.example", "broker-{{nodeId}}-.k.example",
            "b{{nodeId}}.-k.example", "b{{nodeId}}.k-", "{{nodeId}}.-k", "broker-{{nodeId}}.k.example", "{{nodeId}}.k.example",
            "Broker{{nodeId}}.K.Example", "broker--{{nodeId}}.k.example", "ab--{{nodeId}}.k.example", "broker.{{nodeId}}",
            "xn--brker-jua-{{nodeId}}.k.example", f"b{{{{nodeId}}}}.{LABEL}.example", "10.0.0.{{nodeId}}", "10.{{nodeId}}",
            "{{nodeId}}.0.0", "fd00::{{nodeId}}"]

PROGRAM = """
import javax.net.ssl.*;
public class Sends {
  public static void main(String[] hosts) throws Exception {
    for (String host : hosts) {
      SSLEngine engine = SSLContext.getDefault().createSSLEngine(host, 9092);
      engine.setUseClientMode(true);
      engine.beginHandshake();
      java.nio.ByteBuffer hello = java.nio.ByteBuffer.allocate(40000);
      engine.wrap(java.nio.ByteBuffer.allocate(0), hello);
      System.out.println(new String(hello.array(), 0, hello.position(), "ISO-8859-1").contains(host));
    }
  }
}
"""


@pytest.fixture(scope="module")
def sent_by_java(tmp_path_factory):
    """Whether Java's ClientHello holds the name of broker 0, by pattern."""
    if shutil.which("java") is None:
        pytest.skip("java is not installed")
    source = tmp_path_factory.mktemp("java") / "Sends.java"
    source.write_text(PROGRAM)
    hosts = [pattern.replace("{{nodeId}}", "0") for pattern in PATTERNS]
    shown = subprocess.run(["java", "-XX:TieredStopAtLevel=1", str(source), *hosts], capture_output=True, text=True,
                           timeout=60, check=True)
    return dict(zip(PATTERNS, (line == "true" for line in shown.stdout.split()), strict=True))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_check_warns_of_names_that_java_does_not_send(sent_by_java, pattern):
    shown = subprocess.run([KFERRY, "check"], capture_output=True, text=True, timeout=60, check=False, env={
        "PATH": os.environ["PATH"], "KAFKA_BOOTSTRAP_SERVERS": "192.0.2.1:9092", "GATEWAY_LISTENER_NAMES": "external",
        "GATEWAY_LISTENER_EXTERNAL_PORTS": "9092", "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL",
        "GATEWAY_LISTENER_EXTERNAL_ROUTING": "sni", PATTERN: pattern, "GATEWAY_SSL_KEY_STORE_PATH": "/none",
        "GATEWAY_LISTENER_EXTERNAL_BOOTSTRAP_HOST_PATTERN": "broker.k.example"})
    told = [line for line in shown.stderr.splitlines() if PATTERN in line]
    assert len(told) == (0 if sent_by_java[pattern] else 1), (told, shown.stderr)
    if told:
        assert "server name (SNI)" in told[0] and ("Java" in told[0] or told[0].startswith("error"))
