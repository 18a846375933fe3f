"""What the host refuses: descriptors, threads, memory, standard streams. kferry serves, or ends with a reason and a status.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from running import KFERRY, Broker, Kferry, free_port, listener_variables, receive, request

REASONS = ("cause=start_failed", "kferry: ", "1 error in the configuration")


@pytest.fixture(scope="module")
def tls_variables():
    """With TLS, so that everything that kferry ever opens at its start is opened. Any user can read the store."""
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        yield with_store(folder)


def with_store(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=a", "-keyout", folder / "key", "-out", folder / "certificate"], check=True, capture_output=True)
    store = folder / "store.pem"
    store.write_text((folder / "key").read_text() + (folder / "certificate").read_text())
    store.chmod(0o644)
    return listener_variables(free_port(), "127.0.0.1:9") | {
        "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL", "GATEWAY_SSL_KEY_STORE_PATH": str(store)}


def start(env, before):
    """The exit status and what was written; None: it is ready, and has ended in order since."""
    with subprocess.Popen([KFERRY, "run"], env={"PATH": os.environ["PATH"], **env}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, preexec_fn=before) as process:
        shown = ""
        for line in process.stdout:
            shown += line
            if "cause=ready" in line:
                process.send_signal(signal.SIGINT)
        status = process.wait(30)
    return (None if "cause=ready" in shown and status == 0 else status), shown


def each_gives_a_reason(env, limits, before):
    """With less and less refused, until kferry is ready."""
    for limit in limits:
        try:
            status, shown = start(env, lambda: before(limit))
        except BlockingIOError:  # the limit does not even let the child begin, as where others run as its user
            continue
        if status is None:
            return
        assert status in (1, 2) and any(reason in shown for reason in REASONS), (limit, status, shown)
    raise AssertionError("kferry is never ready")


def test_too_few_descriptors_are_told_before_kferry_listens(tls_variables):
    each_gives_a_reason(tls_variables, range(5, 60), lambda limit: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))


@pytest.mark.skipif(os.geteuid() != 0, reason="root is needed to become a user with few threads")
def test_too_few_threads_are_told(tls_variables):
    if shutil.which(KFERRY) is None or subprocess.run([KFERRY, "--version"], user=65534, check=False,
                                                      capture_output=True).returncode != 0:
        pytest.skip("another user cannot run this build")

    def before(limit):
        os.setgid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
        os.setuid(65534)
    each_gives_a_reason(tls_variables, range(1, 40), before)


def test_little_memory_is_told(tls_variables):
    if start(tls_variables, lambda: None)[0] is not None or "asan" in KFERRY or "tsan" in KFERRY:
        pytest.skip("a sanitizer reserves more memory than this test allows")
    each_gives_a_reason(tls_variables, range(24, 2000, 16),
                        lambda limit: resource.setrlimit(resource.RLIMIT_AS, (limit << 20, limit << 20)))


def test_a_worker_without_memory_ends_kferry_with_a_reason(tmp_path):
    with Broker() as broker, Kferry(tmp_path, listener_variables(free_port(), f"127.0.0.1:{broker.port}")) as kferry:
        pid = kferry.process.pid
        pages = int(open(f"/proc/{pid}/statm").read().split()[0])
        try:
            resource.prlimit(pid, resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGESIZE"),) * 2)
        except PermissionError:
            pytest.skip("the limits of another process cannot be set here")
        clients = []
        try:
            # Each holds a request that is never complete, so that memory is needed.
            for _ in range(400):
                clients.append(socket.create_connection(("127.0.0.1", kferry.port), 5))
                clients[-1].sendall(request(18, 0) + request(3, 1, b"\0" * 60_000)[:50_000])
        except OSError:
            pass
        deadline = time.monotonic() + 3
        while kferry.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        for one in clients:
            one.close()
        status = kferry.end()
        assert status == 0 or (status == 1 and "cause=out_of_memory" in kferry.text()), (status, kferry.text())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("closed", ["0", "1", "2", "01", "12", "02", "012"])
def test_closed_standard_streams_are_dev_null(closed):
    close = " ".join(f"{fd}{'<' if fd == '0' else '>'}&-" for fd in closed)
    with Broker() as broker:
        env = listener_variables(free_port(), f"127.0.0.1:{broker.port}")
        process = subprocess.Popen(["bash", "-c", f'exec "$0" run {close}', KFERRY], env={"PATH": os.environ["PATH"], **env},
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = int(env["GATEWAY_LISTENER_EXTERNAL_PORTS"].split("-")[0])
            deadline = time.monotonic() + 20
            while True:
                try:
                    client = socket.create_connection(("127.0.0.1", port), 5)
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.02)
            with client:
                client.sendall(request(18, 0))
                receive(client)
            if os.geteuid() == 0:
                assert all(os.readlink(f"/proc/{process.pid}/fd/{fd}") == "/dev/null" for fd in closed)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            process.stdin.close()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("words", ["check", "doctor", "settings", "--help", "--version"])
def test_other_words_end_with_a_status_where_streams_are_closed(words):
    env = {"PATH": os.environ["PATH"], **listener_variables(free_port(), "127.0.0.1:9")}
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        assert subprocess.run(["bash", "-c", f'exec "$0" {words} {closed}', KFERRY], env=env, timeout=20, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode in (0, 1)
