"""The command line from outside: exit status, what goes where, completion, the man page.

Needs the built binary's path in KFERRY: KFERRY=build/src/cli/kferry pytest tests/cli
"""
import os
import pathlib
import pty
import re
import shutil
import socket
import subprocess
import sys

import pytest

KFERRY = os.environ["KFERRY"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
SECRET = "s3cr3t-Pw"
PLAIN = {
    "KAFKA_BOOTSTRAP_SERVERS": "192.0.2.1:9092",
    "GATEWAY_LISTENER_NAMES": "external",
    "GATEWAY_LISTENER_EXTERNAL_PORTS": "6969-6971",
    "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "192.0.2.9",
    "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "PLAINTEXT",
}
SASL = PLAIN | {
    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_SASL_JAAS_CONFIG": f'a.PlainLoginModule required username="u" password="{SECRET}";',
    "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "GATEWAY_LICENSE_KEY": SECRET,
}


def kferry(*words, env=None):
    return subprocess.run([KFERRY, *words], env={"PATH": os.environ["PATH"], **(env or {})}, capture_output=True,
                          text=True, timeout=60)


def test_help_and_version_succeed():
    shown = kferry("--help")
    assert shown.returncode == 0
    for verb in ("run", "check", "doctor", "probe", "health", "reload", "upgrade", "drain", "settings", "completion"):
        assert verb in shown.stdout
        assert kferry(verb, "--help").returncode == 0
    version = kferry("--version")
    assert version.returncode == 0
    for part in ("kferry 0.", "liburing", "wolfSSL", "OpenSSL", "c-ares", "toml++", "commit ", "Apache-2.0",
                 "GPL-3.0-or-later"):
        assert part in version.stdout


@pytest.mark.parametrize("words", [["bogus"], ["--bogus"], ["probe"], ["probe", "nowhere"], ["completion", "csh"],
                                   ["probe", "a:1", "--timeout", "x"]])
def test_wrong_arguments_exit_with_status_1(words):
    assert kferry(*words).returncode == 1


def test_check_prints_the_plan():
    shown = kferry("check", env=PLAIN)
    assert shown.returncode == 0, shown.stderr
    for part in ("0.0.0.0:6970", "192.0.2.9:6970", "1, 4, 7", "mod 3", "Firewall", "DNS", "192.0.2.1"):
        assert part in shown.stdout
    assert "\x1b" not in shown.stdout + shown.stderr


def readme_block(first_line):
    """The block of README.md whose first line begins so, without its fences."""
    blocks = [block.partition("\n")[2] for block in (ROOT / "README.md").read_text().split("```")[1::2]]
    return next(block for block in blocks if block.startswith(first_line))


def test_check_of_the_quick_start_names_the_missing_certificate():
    variables = dict(line.split("=", 1) for line in readme_block("KAFKA_BOOTSTRAP_SERVERS").splitlines())
    assert len(variables) == 11
    credentials = 'a.PlainLoginModule required username="u" password="p";'
    shown = kferry("check", env=variables | {"KAFKA_SASL_JAAS_CONFIG": credentials})
    assert shown.returncode == 2
    assert "1 error " in shown.stderr
    assert "GATEWAY_SSL_KEY_STORE_PATH is missing" in shown.stderr


def test_the_plaintext_quick_start_is_valid(tmp_path):
    file = tmp_path / "kferry.toml"
    file.write_text(readme_block("[cluster.default.upstream]"))
    shown = kferry("check", "--config", str(file))
    assert shown.returncode == 0, shown.stderr
    assert "gateway.example.com:6971" in shown.stdout
    assert "error" not in shown.stderr


def test_check_reports_everything_wrong_at_once():
    shown = kferry("check", env=PLAIN | {"KAFKA_BOOTSTRAP_SERVERS": "x", "GATEWAY_LISTENER_EXTERNAL_PORTS": "0",
                                         "GATEWAY_SECURITY_MODE": "GATEWAY_MANAGED"})
    assert shown.returncode == 2
    assert shown.stderr.count("error: ") == 3
    assert "3 errors" in shown.stderr
    assert shown.stdout == ""


def test_errors_in_a_file_and_a_missing_file_exit_with_status_2(tmp_path):
    file = tmp_path / "k.toml"
    file.write_text('[cluster.a.upstream]\nbootstrap_servers = "192.0.2.1:1"\n[cluster.a.listener.x]\n'
                    'prots = "1"\n')
    shown = kferry("check", "--config", str(file))
    assert shown.returncode == 2
    assert f"{file}:4: unknown key 'prots'" in shown.stderr and "did you mean ports?" in shown.stderr
    assert kferry("check", "--config", str(tmp_path / "none")).returncode == 2


@pytest.mark.parametrize("change", [{}, {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SASL_SSL"}, {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"},
                                    {"KAFKA_SASL_JAAS_CONFIG": SECRET}])
def test_no_output_shows_a_secret(change):
    shown = kferry("check", env=SASL | change)
    assert shown.returncode == (2 if change else 0)
    assert SECRET not in shown.stdout + shown.stderr


def test_dial_tells_a_refused_server():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{closed.getsockname()[1]}"
        shown = kferry("check", "--dial", env=PLAIN | {"KAFKA_BOOTSTRAP_SERVERS": where})
    assert shown.returncode == 1
    assert "connection refused" in shown.stdout and "no bootstrap server" in shown.stdout


def free_ports(count, host):
    """The first of `count` ports in a row that are free."""
    for first in range(20_000, 30_000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as trial:
                    trial.bind((host, port))
            return first
        except OSError:
            continue
    pytest.skip(f"no {count} ports in a row are free")


def test_more_ports_than_open_files_is_told_with_its_remedy():
    first = free_ports(300, "127.77.0.1")
    ports = {"GATEWAY_LISTENER_EXTERNAL_PORTS": f"{first}-{first + 299}",
             "GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS": "127.77.0.1"}
    shown = subprocess.run(["bash", "-c", f"ulimit -n 200; exec {KFERRY} run"], capture_output=True, text=True, timeout=60,
                           env={"PATH": os.environ["PATH"], **PLAIN, **ports}, check=False)
    assert shown.returncode == 1
    assert "Too many open files: raise the limit of open files" in shown.stderr


def test_doctor_shows_the_host():
    shown = kferry("doctor")
    assert shown.returncode in (0, 1)
    for part in ("kernel", "cores", "open files", "io_uring", "Path:"):
        assert part in shown.stdout


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_doctor_names_the_path_and_the_remedy_where_io_uring_is_forbidden(error):
    launcher = [sys.executable, "-B", ROOT / "tests/support/without_io_uring.py", error]
    shown = subprocess.run([*launcher, KFERRY, "doctor"], env={"PATH": os.environ["PATH"]}, capture_output=True,
                           text=True, timeout=60, check=False)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^lack  io_uring .*\n .*seccomp profile", shown.stdout, re.MULTILINE)
    assert re.search(r"^ok    epoll ", shown.stdout, re.MULTILINE)
    assert "\nPath: epoll, " in shown.stdout
    assert "receive bundles" not in shown.stdout


def test_colours_only_on_a_terminal_without_no_color():
    for no_color in (None, "1"):
        ours, theirs = pty.openpty()
        env = {"PATH": os.environ["PATH"]} | ({"NO_COLOR": no_color} if no_color else {})
        done = subprocess.run([KFERRY, "check"], env=env, stderr=theirs, stdout=subprocess.DEVNULL, timeout=60)
        os.close(theirs)
        seen = os.read(ours, 65536)
        os.close(ours)
        assert done.returncode == 2
        assert (b"\x1b[31m" in seen) == (no_color is None)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    script = kferry("completion", shell)
    assert script.returncode == 0 and "kferry" in script.stdout
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    checked = subprocess.run([program, "-n"], input=script.stdout, text=True, capture_output=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


def test_bash_completes_verbs():
    script = kferry("completion", "bash").stdout
    asked = script + 'COMP_WORDS=(kferry ch); COMP_CWORD=1; _kferry; echo "${COMPREPLY[@]}"\n'
    assert subprocess.run(["bash"], input=asked, text=True, capture_output=True, timeout=30).stdout == "check\n"


def test_bash_completes_keys():
    script = kferry("completion", "bash").stdout
    asked = script + f'COMP_WORDS=({KFERRY} settings keepalive_i); COMP_CWORD=2; _kferry; printf "%s\\n" "${{COMPREPLY[@]}}"\n'
    shown = subprocess.run(["bash"], input=asked, text=True, capture_output=True, timeout=30)
    assert shown.stdout.split() == ["keepalive_idle_s", "keepalive_interval_s"]


def test_the_man_page_has_no_warnings():
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    shown = subprocess.run(["man", "--warnings", "-l", str(ROOT / "docs/kferry.1")], capture_output=True, text=True,
                           env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "100"}, timeout=60)
    assert shown.returncode == 0 and shown.stderr == ""
