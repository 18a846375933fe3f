"""Who may connect: lists, limits and the PROXY protocol, with HAProxy and nginx as senders. Clients have addresses in
127.0.0.0/8, so that kferry can tell them apart."""
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import time

import pytest

from frames import free_port, receive, request
from reloading import Echo, Reloading, listener, upstream, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
NGINX_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
PLAIN = 'security_protocol = "PLAINTEXT"\n'


@pytest.fixture
def broker():
    with Echo() as one:
        yield one


@pytest.fixture(name="start")
def fixture_start(tmp_path, broker):
    """Starts a kferry whose listener has these lines, and knows its broker. Returns it with the listener's first port."""
    started = []

    def start(more="", limits="", protocol=PLAIN):
        kferry, port = Reloading(tmp_path), free_port()

        def write(more="", limits=""):
            kferry.write(upstream(broker.port), listener("external", port, more=protocol + more), "[limits]\n" + limits)
        kferry.rewrite = write
        write(more, limits)
        started.append(kferry)
        kferry.start()
        wait_until(lambda: kferry.lines("discovered"))
        return kferry, port
    yield start
    for kferry in started:
        kferry.__exit__()


def connect(port, source="127.0.0.1", header=b""):
    made = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    made.sendall(header)
    return made


def is_served(made, body=b"body"):
    try:
        made.sendall(request(12, 0, body))
        return receive(made) == struct.pack(">i", 1) + body
    except (OSError, EOFError):
        return False


def is_closed(made):
    made.settimeout(10)
    try:
        return made.recv(1) == b""
    except ConnectionResetError:
        return True


def closed(kferry, cause):
    return kferry.metric(f'kferry_connections_closed_total{{cluster="orders",listener="external",cause="{cause}"}}')


def v1(source):
    return f"PROXY TCP4 {source} 127.0.0.1 40000 6969\r\n".encode()


def v2(source, tlvs=b"", command=0x21):
    rest = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 40000, 6969) + tlvs
    return SIGNATURE + bytes([command, 0x11]) + struct.pack(">H", len(rest)) + rest


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def test_lists_of_addresses_refuse_before_a_byte_is_read_and_a_reload_changes_them(start):
    kferry, port = start('allow_from = ["127.0.0.0/24", "::1"]\ndeny_from = "127.0.0.9"\n')
    stays = connect(port, "127.0.0.2")
    assert is_served(stays)
    for source, cause in [("127.0.0.9", "client_denied"), ("127.0.1.1", "client_not_allowed")]:
        assert is_closed(connect(port, source))
        line, = kferry.lines(cause)
        assert f"subject={source} " in line and "level=warning" in line and " session=" in line
    assert closed(kferry, "refused_address") == 2
    kferry.rewrite('deny_from = "127.0.0.2"\n')
    kferry.reload_well()
    assert is_closed(connect(port, "127.0.0.2"))
    assert is_served(connect(port, "127.0.1.1"))
    assert is_served(stays), "what is open continues"


@pytest.mark.parametrize("more, limits, cause", [
    ("max_connections = 3\n", "", "listener_limited"), ("max_connections_per_address = 3\n", "", "address_limited"),
    ("", "connections = 3\n", "connections_limited")])
def test_a_limit_of_connections_refuses_one_more_after_a_delay(start, more, limits, cause):
    kferry, port = start(more, limits)
    clients = [connect(port) for _ in range(3)]
    assert all(is_served(client) for client in clients)
    began = time.monotonic()
    assert is_closed(connect(port))
    assert 0.2 < time.monotonic() - began < 5, "it is held for half of 500 ms to half more"
    assert len(kferry.lines(cause)) == 1 and closed(kferry, "refused_limit") == 1
    assert all(is_served(client) for client in clients)
    clients.pop().close()
    wait_until(lambda: is_served(connect(port)))


def test_new_connections_per_second_are_limited(start):
    kferry, port = start(limits="accepts_per_second = 5\nrefused_close_delay_ms = 0\n")
    clients = [connect(port) for _ in range(40)]
    served = [client for client in clients if is_served(client)]
    assert 5 <= len(served) < 20
    assert kferry.lines("accepts_limited") and closed(kferry, "refused_limit") == 40 - len(served)
    assert all(is_served(client) for client in served)


def test_memory_above_its_mark_refuses_new_connections_alone(start):
    kferry, port = start()
    stays = connect(port)
    assert is_served(stays)
    kferry.rewrite(limits="memory_bytes = 1\n")
    kferry.reload_well()
    assert is_closed(connect(port))
    assert kferry.lines("memory_limited") and closed(kferry, "refused_limit") == 1
    assert is_served(stays)
    kferry.rewrite(limits=f"memory_bytes = {1 << 40}\n")
    kferry.reload_well()
    assert is_served(connect(port))


def test_a_connection_ends_in_order_at_its_age(start):
    kferry, port = start("max_connection_age_s = 2\n")
    client = connect(port)
    began = time.monotonic()
    assert is_served(client)
    assert is_closed(client) and 1.5 < time.monotonic() - began < 10
    assert closed(kferry, "max_age") == 1


def test_a_header_is_believed_from_a_listed_address_alone(start):
    kferry, port = start('proxy_protocol = "required"\nproxy_protocol_from = "127.0.0.2"\ndeny_from = "203.0.113.0/24"\n')
    for header in (v1, v2):
        assert is_served(connect(port, "127.0.0.2", header("192.0.2.7")))
        assert is_closed(connect(port, "127.0.0.2", header("203.0.113.9")))
    assert {"subject=203.0.113.9 " in line for line in kferry.lines("client_denied")} == {True}
    assert is_closed(connect(port, "127.0.0.3", v1("192.0.2.7")))
    line, = kferry.lines("proxy_source_not_allowed")
    assert "subject=127.0.0.3 " in line
    assert closed(kferry, "refused_address") == 3
    bare = connect(port, "127.0.0.2", request(12, 0))
    assert is_closed(bare) and kferry.lines("proxy_header_missing")
    assert is_closed(connect(port, "127.0.0.2", b"PROXY TCP4 nonsense\r\n")) and kferry.lines("proxy_header_malformed")
    assert closed(kferry, "refused_protocol") == 2
    connect(port, "127.0.0.2", v2("192.0.2.7", command=0x20)).close()
    connect(port, "127.0.0.2").close()
    probes = 'kferry_probes_total{cluster="orders",listener="external"}'
    wait_until(lambda: kferry.metric(probes) == 2)


def test_an_optional_header_counts_from_a_listed_address_and_ends_the_connection_from_elsewhere(start):
    kferry, port = start('proxy_protocol = "optional"\nproxy_protocol_from = "127.0.0.2"\n'
                         'allow_from = "192.0.2.0/24,127.0.0.3"\n')
    assert is_served(connect(port, "127.0.0.2", v2("192.0.2.7")))
    assert is_served(connect(port, "127.0.0.3"))
    assert is_closed(connect(port, "127.0.0.3", v1("192.0.2.7"))) and kferry.lines("proxy_protocol_header")


def test_a_header_cut_at_every_byte_is_read(start):
    _, port = start('proxy_protocol = "required"\nproxy_protocol_from = "127.0.0.1"\n')
    for header in (v1("192.0.2.7"), v2("192.0.2.7", tlv(0x02, b"name"))):
        for cut in range(len(header) + 1):
            client = connect(port, header=header[:cut])
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            time.sleep(0.002)  # nothing can be waited for: the first part has to be read alone
            client.sendall(header[cut:])
            assert is_served(client), (header, cut)
            client.close()


def test_cloud_endpoints_are_allowed_by_their_ids(start):
    kferry, port = start('proxy_protocol = "required"\nproxy_protocol_from = "127.0.0.1"\n'
                         'allow_endpoints = ["vpce-08d2bf15fac5001c9", "azure:67108897", "gcp:4294967295"]\n')
    for kind, value in [(0xEA, b"\x01vpce-08d2bf15fac5001c9"), (0xEE, b"\x01\x21\0\0\x04"),
                        (0xE0, b"\0\0\0\0\xff\xff\xff\xff")]:
        assert is_served(connect(port, header=v2("192.0.2.7", tlv(kind, value))))
    assert is_closed(connect(port, header=v2("192.0.2.7", tlv(0xEA, b"\x01vpce-other"))))
    assert is_closed(connect(port, header=v2("192.0.2.7")))
    first, second = kferry.lines("endpoint_not_allowed")
    assert "vpce-other" in first and "no cloud endpoint" in second and closed(kferry, "refused_address") == 2


def test_the_authority_of_a_header_identifies_the_broker(tmp_path, broker):
    port = free_port(1)
    with Reloading(tmp_path) as kferry:
        kferry.write(upstream(broker.port), listener("external", port, 1, more=PLAIN + (
            'routing = "authority"\nadvertised_host_pattern = "b-{{nodeId}}.k.example"\n'
            'proxy_protocol = "required"\nproxy_protocol_from = "127.0.0.1"\n')))
        kferry.start()
        wait_until(lambda: kferry.lines("discovered"))
        for name in (b"b-0.k.example", b"B-0.K.example"):
            assert is_served(connect(port, header=v2("192.0.2.7", tlv(0x02, name))))
        bootstrap = connect(port, header=v2("192.0.2.7", tlv(0x02, b"b.k.example")))
        bootstrap.sendall(request(3, 1, struct.pack(">i", -1)))
        assert b"b-0.k.example" in receive(bootstrap)
        for header in (v2("192.0.2.7", tlv(0x02, b"other.example")), v2("192.0.2.7"), v1("192.0.2.7")):
            assert is_closed(connect(port, header=header))
        lines = kferry.lines("authority_unknown")
        assert len(lines) == 3 and "other.example" in lines[0] and "b.k.example" in lines[0]
        assert closed(kferry, "refused_protocol") == 3


@pytest.fixture(name="certificate")
def fixture_certificate(tmp_path):
    path = tmp_path / "tls.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=kferry", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out",
                    path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


def haproxy(folder, port, words):
    own = free_port(1)
    (folder / "haproxy.cfg").write_text(f"""
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend balancer
  bind 127.0.0.1:{own}
  default_backend kferry
backend kferry
  source 127.0.0.2
  server kferry 127.0.0.1:{port} {words}
""")
    return own, ["haproxy", "-db", "-f", folder / "haproxy.cfg"]


def nginx(folder, port, _):
    own = free_port(1)
    (folder / "nginx.conf").write_text(f"""
load_module {NGINX_MODULE};
daemon off;
pid {folder}/nginx.pid;
events {{}}
stream {{ server {{ listen 127.0.0.1:{own}; proxy_pass 127.0.0.1:{port}; proxy_bind 127.0.0.2; proxy_protocol on; }} }}
""")
    return own, ["nginx", "-p", folder, "-e", folder / "nginx.log", "-c", folder / "nginx.conf"]


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
@pytest.mark.parametrize("sender, words", [(haproxy, "send-proxy"), (haproxy, "send-proxy-v2"), (nginx, "")],
                         ids=["haproxy-v1", "haproxy-v2", "nginx-v1"])
def test_a_load_balancer_tells_who_its_client_is(start, tmp_path, certificate, sender, words, tls):
    program = "nginx" if sender is nginx else "haproxy"
    if shutil.which(program) is None or (sender is nginx and not NGINX_MODULE.exists()):
        pytest.skip(f"{program} is not installed")
    protocol = f'security_protocol = "SSL"\ntls = {{ certificate = "{certificate}" }}\n' if tls else PLAIN
    kferry, port = start('proxy_protocol = "required"\nproxy_protocol_from = "127.0.0.2"\nallow_from = "127.0.0.4"\n',
                         protocol=protocol)
    context = ssl.create_default_context(cafile=certificate) if tls else None

    def client(source):
        made = connect(own, source)
        return context.wrap_socket(made, server_hostname="127.0.0.1") if tls else made

    own, command = sender(tmp_path, port, words)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as balancer:
        try:
            wait_until(lambda: connect_ex(own) == 0)
            for _ in range(3):
                assert is_served(client("127.0.0.4"), b"x" * 100_000)
            with pytest.raises((OSError, EOFError)):
                refused = client("127.0.0.3")
                refused.sendall(request(12, 0))
                receive(refused)
            assert "subject=127.0.0.3 " in kferry.lines("client_not_allowed")[-1]
        finally:
            balancer.kill()


def connect_ex(port):
    with socket.socket() as made:
        return made.connect_ex(("127.0.0.1", port))
