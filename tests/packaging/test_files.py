"""The files below packaging/ that no build changes: unit, scripts, configuration, profiles and compose file."""

import os
import re
import tomllib

import pytest
import release
from conftest import CHECKOUT, run

PACKAGING = CHECKOUT / "packaging"
UNIT = PACKAGING / "systemd/kferry.service"
KFERRY = os.environ["KFERRY"]
EXPOSURE_MAX = 1.5
SCRIPTS = ["systemd/configured", "deb/postinst", "deb/prerm", "deb/postrm", "rpm/post", "rpm/preun", "rpm/postun"]
# The two lines of the packaged configuration that an administrator fills in.
FILLED = {"bootstrap_servers = []": 'bootstrap_servers = ["kafka1.example.com:9092"]',
          'advertised_host = ""': 'advertised_host = "kafka.example.com"'}


def filled_in(text):
    for empty, line in FILLED.items():
        assert text.count(f"\n{empty}\n") == 1, empty
        text = text.replace(f"\n{empty}\n", f"\n{line}\n")
    return text


def test_the_unit_is_exposed_at_most_as_far_as_we_claim():
    shown = run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)
    found = re.search(r"Overall exposure level for kferry.service: ([\d.]+)", shown.stdout)
    assert found, shown.stdout
    assert float(found[1]) <= EXPOSURE_MAX


def test_the_unit_has_the_settings_that_reload_drain_and_upgrade_rely_on():
    lines = UNIT.read_text().splitlines()
    for line in ("Type=notify", "NotifyAccess=main", "ExecReload=/bin/kill -HUP $MAINPID", "KillMode=mixed",
                 "TimeoutStopSec=75", "WatchdogSec=30", "LimitNOFILE=1048576", "LimitCORE=0",
                 "RuntimeDirectory=kferry", "ExecCondition=/usr/lib/kferry/configured"):
        assert line in lines


def test_the_unit_stops_later_than_a_drain_takes():
    """The lame duck and the drain's deadline: docs/configuration.md has both once they exist."""
    stop_s = int(re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)[1])
    rows = (CHECKOUT / "docs/configuration.md").read_text()
    seconds = [int(number) for number in re.findall(r"^\| `(?:lame_duck_s|drain_deadline_s)` \|[^|]*\| `?(\d+)", rows,
                                                    re.MULTILINE)]
    assert stop_s > (sum(seconds) if len(seconds) == 2 else 65)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_valid_for_a_plain_shell(name):
    shown = run("dash", "-n", PACKAGING / name)
    assert (shown.returncode, shown.stdout) == (0, "")


@pytest.mark.parametrize("name", ["deb/postinst", "rpm/post"])
def test_an_upgrade_asks_the_running_kferry_and_never_restarts_it(name):
    code = [line for line in (PACKAGING / name).read_text().splitlines() if not line.startswith(("#", "kferry:"))]
    assert any(line.lstrip().startswith(("if kferry upgrade", "kferry upgrade ||")) for line in code)
    assert not re.search(r"\b(?:try-)?restart\b|\breload-or", "\n".join(code))


def test_the_packaged_configuration_passes_check_once_two_lines_are_filled_in(tmp_path):
    text = (PACKAGING / "kferry.toml").read_text()
    tomllib.loads(text)
    file = tmp_path / "kferry.toml"
    file.write_text(text)
    empty = run(KFERRY, "check", "--config", file, env={})
    assert empty.returncode == 2
    places = [f"kferry.toml:{text.splitlines().index(line) + 1}:" for line in FILLED]
    assert [place in empty.stdout for place in places] == [True, True], empty.stdout
    assert "2 errors" in empty.stdout
    file.write_text(filled_in(text))
    filled = run(KFERRY, "check", "--config", file, env={})
    assert filled.returncode == 0, filled.stdout
    assert "kafka.example.com:6969" in filled.stdout
    assert re.findall(r"^.*warning: (?!.*cannot be resolved here).*$", filled.stdout, re.MULTILINE) == []


def test_every_commented_key_of_the_packaged_configuration_is_a_key(tmp_path):
    text = filled_in((PACKAGING / "kferry.toml").read_text())
    file = tmp_path / "kferry.toml"
    file.write_text(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE))
    shown = run(KFERRY, "check", "--config", file, env={})
    assert "unknown" not in shown.stdout and "did you mean" not in shown.stdout, shown.stdout


def test_configured_tells_an_empty_configuration_from_a_filled_one(tmp_path):
    script = PACKAGING / "systemd/configured"
    file = tmp_path / "kferry.toml"
    missing = run("sh", script, file, env={})
    assert (missing.returncode, missing.stdout.count("\n")) == (1, 1)
    text = (PACKAGING / "kferry.toml").read_text()
    file.write_text(text)
    empty = run("sh", script, file, env={})
    assert empty.returncode == 1
    assert "bootstrap_servers and advertised_host" in empty.stdout and "systemctl start kferry" in empty.stdout
    for half in FILLED:
        file.write_text(text.replace(half, FILLED[half]))
        assert run("sh", script, file, env={}).returncode == 1
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "GATEWAY_ENV_FILE"):
        assert run("sh", script, file, env={name: "x"}).returncode == 0
    file.write_text(filled_in(text))
    filled = run("sh", script, file, env={})
    assert (filled.returncode, filled.stdout) == (0, "")


def test_the_apparmor_profile_compiles():
    shown = run("apparmor_parser", "--skip-kernel-load", "--skip-cache", PACKAGING / "apparmor")
    assert shown.returncode == 0, shown.stdout


def test_logrotate_reads_its_file(tmp_path):
    file = tmp_path / "kferry"
    file.write_text((PACKAGING / "logrotate").read_text().replace("create 0640 kferry kferry", "create 0640 root root"))
    file.chmod(0o644)
    shown = run("logrotate", "--debug", "--state", tmp_path / "state", file)
    assert shown.returncode == 0 and "error" not in shown.stdout, shown.stdout


def test_compose_fits_the_compose_specification():
    shown = run(release.tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec",
                PACKAGING / "compose/compose.yaml")
    assert shown.returncode == 0, shown.stdout


def test_the_environment_of_kferry_in_compose_passes_check():
    text = (PACKAGING / "compose/compose.yaml").read_text()
    service = text[text.index("\n  kferry:\n"):]
    lines = re.findall(r"^      ((?:KAFKA|GATEWAY)_\w+): (.*)$", service, re.MULTILINE)
    environment = {name: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", value).strip('"') for name, value in lines}
    assert environment["GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST"] == "localhost"
    shown = run(KFERRY, "check", env=environment)
    assert shown.returncode == 0, shown.stdout
    assert "1, 4, 7" in shown.stdout  # broker 1 has the first port


def test_sysusers_and_tmpfiles_do_what_the_unit_relies_on(tmp_path):
    root = tmp_path / "root"
    for folder in ("etc", "run", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d"):
        (root / folder).mkdir(parents=True)
    for kind in ("sysusers", "tmpfiles"):
        (root / f"usr/lib/{kind}.d/kferry.conf").write_text((PACKAGING / f"systemd/{kind}.conf").read_text())
    made = run("systemd-sysusers", f"--root={root}", "kferry.conf")
    assert made.returncode == 0, made.stdout
    user = next(line.split(":") for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("kferry:"))
    assert int(user[2]) < 1000 and user[6] == "/usr/sbin/nologin"
    if os.geteuid() == 0:
        made = run("systemd-tmpfiles", "--create", f"--root={root}", "kferry.conf")
        assert made.returncode == 0, made.stdout
        folder = (root / "run/kferry").stat()
        assert (folder.st_uid, folder.st_mode & 0o777) == (int(user[2]), 0o750)
