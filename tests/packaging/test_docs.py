"""The commands and configurations in README and docs: each block is run here, or says `norun:` with the reason. No link
leads nowhere.

A block is `sh` (run, with this kferry in the path; `status=N` if that is not 0), `toml` or `env` (checked by kferry),
`toml part` (the same, with the smallest upstream and listener added), `yaml values` (rendered by the chart, then checked),
or of a kind that is only shown: `text`, `json`.
"""

import os
import pathlib
import re
import subprocess

import pytest
from conftest import CHECKOUT, run
from kube_tools import lacking

PAGES = sorted([CHECKOUT / "README.md", CHECKOUT / "packaging/README.md", *(CHECKOUT / "docs").rglob("*.md")])
FENCE = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(page, *match.groups()) for page in PAGES for match in FENCE.finditer(page.read_text())]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)")
SHOWN = {"text", "json"}
COMMAND = re.compile(r"^\s*(?:\$|sudo|kferry|kubectl|helm|export) ", re.MULTILINE)
SMALLEST = """
[cluster.default.upstream]
bootstrap_servers = ["kafka1:9092"]

[cluster.default.listener.external]
ports = "6969-6971"
advertised_host = "kafka.example.com"
security_protocol = "PLAINTEXT"
"""
JAAS = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="user" password="secret";\n'


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Stand-ins for what the pages call /etc/kferry: every .pem is a certificate for *.example.com with its key."""
    folder = tmp_path_factory.mktemp("etc")
    made = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
               "-subj", "/CN=kferry", "-keyout", folder / "key", "-out", folder / "certificate", "-addext",
               "subjectAltName=DNS:*.example.com,DNS:*.kafka.example.com,DNS:*.kafka.svc.cluster.local")
    assert made.returncode == 0, made.stdout
    for name in {name for _, _, text in BLOCKS for name in re.findall(r"/etc/kferry/([\w.-]+)", text)}:
        pem = (folder / "certificate").read_text() + (folder / "key").read_text()
        (folder / name).write_text(JAAS if "jaas" in name else pem)
    return folder


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A PATH that begins with the kferry under test."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "kferry").symlink_to(pathlib.Path(os.environ["KFERRY"]).resolve())
    return f"{folder}:{os.environ['PATH']}"


def check(text, files, path, variables=()):
    file = files / "checked.toml"
    file.write_text(re.sub(r"/etc/kferry/", f"{files}/", text))
    return run("kferry", "check", *(["--config", file] if text else []),
               env={"PATH": path, "HOST_IP": "192.0.2.1", **dict(variables)})


def rendered(text, files):
    """The configuration that the chart makes of these values."""
    from rendering import CHART, by_kind, helm  # pylint: disable=import-outside-toplevel
    values = files / "values.yaml"
    values.write_text(text)
    status, said, error = helm("template", "kferry", CHART, "--namespace", "kafka", "--values", values)
    assert status == 0, error
    toml = by_kind(said, "ConfigMap")["data"]["kferry.toml"]
    for name in re.findall(r"/etc/kferry/[\w-]+/[\w.-]+", toml):
        kind = "key" if name.endswith(".key") else "certificate"
        toml = toml.replace(name, str(files / kind))
    return toml


def outcome(kind, words, text, files, path):
    if kind == "toml":
        assert words in ("", "part"), words
        return check(text + (SMALLEST if words else ""), files, path)
    if kind == "env":
        lines = [line.split("=", 1) for line in text.splitlines() if line]
        return check("", files, path, {name: value.replace("/etc/kferry/", f"{files}/") for name, value in lines})
    if (kind, words) == ("yaml", "values"):
        return check(rendered(text, files), files, path)
    assert kind == "sh", f"what is a block of kind {kind} {words}?"
    done = run("sh", "-eu", "-c", text, env={"PATH": path}, cwd=files)
    expected = re.fullmatch(r"status=(\d+)", words)
    return subprocess.CompletedProcess(text, done.returncode - int(expected[1] if expected else 0), done.stdout)


def test_the_pages_that_installing_needs_are_there():
    names = {str(page.relative_to(CHECKOUT)) for page in PAGES}
    assert {f"docs/install/{name}.md" for name in ("deb", "rpm", "container", "kubernetes", "edge-vm")} <= names
    assert {f"docs/providers/{name}.md" for name in ("confluent", "msk", "aiven", "redpanda", "gcp", "event-hubs")} <= names
    assert {"docs/migrate/conduktor.md", "docs/migrate/kafka-proxy.md", "docs/sizing.md", "docs/comparison.md"} <= names


def test_each_block_is_run_or_gives_its_reason(files, path, capsys):
    ran, not_run, shown, wrong = 0, 0, 0, []
    for page, info, text in BLOCKS:
        name = page.relative_to(CHECKOUT)
        kind, _, words = info.partition(" ")
        if words.startswith("norun"):
            assert re.fullmatch(r"norun: \S.{10,}", words), f"{name}: a norun without its reason"
            not_run += 1
        elif (kind, words) == ("yaml", "values") and lacking():
            not_run += 1
        elif kind in SHOWN:
            assert not COMMAND.search(text), f"{name}: a command in:\n{text}"
            shown += 1
        else:
            done = outcome(kind, words, text, files, path)
            ran += 1
            if done.returncode != 0:
                wrong.append(f"{name}:\n{text}\n{done.stdout}")
    with capsys.disabled():
        print(f"\nREADME and docs: {ran} blocks run, {not_run} not run, {shown} only shown")
    assert not wrong, "\n".join(wrong)
    assert ran >= 10


def test_the_old_gateway_s_variables_are_translated(files, path):
    """What docs/migrate/conduktor.md begins with."""
    page = (CHECKOUT / "docs/migrate/conduktor.md").read_text()
    text = re.search(r"^```sh status=2\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]
    said = run("sh", "-eu", "-c", text, env={"PATH": path}, cwd=files).stdout
    for line in ("GATEWAY_LISTENER_NAMES=external", "GATEWAY_LISTENER_EXTERNAL_PORTS=6969-6971",
                 "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST=kafka.example.com"):
        assert line in said


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_no_link_is_dead(page):
    dead = []
    for target, anchor in LINK.findall(page.read_text()):
        aim = (page.parent / target).resolve() if target else page
        if not aim.exists() or (anchor and aim.suffix == ".md" and anchor not in anchors(aim)):
            dead.append(f"{target}#{anchor}")
    assert dead == []


def test_tests_that_a_page_names_exist():
    named = {name for page in PAGES for name in re.findall(r"tests/[\w/]+\.py", page.read_text())}
    assert named and [name for name in sorted(named) if not (CHECKOUT / name).exists()] == []
