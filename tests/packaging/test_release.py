"""What `./dev release` has made: packages without findings, the SBOM, sizes, and the binary where nothing else is."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest
import release_sbom
from conftest import CHECKOUT, run
from release import tool

IMAGE_BYTES_MAX = 8_000_000
EMPTY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")


@pytest.fixture(scope="session")
def unpacked(one, tmp_path_factory):
    """The files of the deb."""
    folder = tmp_path_factory.mktemp("deb")
    assert run("dpkg-deb", "--extract", one("*.deb"), folder).returncode == 0
    return folder


@pytest.fixture
def empty_root(unpacked, tmp_path):
    """A folder that holds the binary and nothing else."""
    shutil.copy(unpacked / "usr/bin/kferry", tmp_path / "kferry")
    return tmp_path


def test_the_checksums_name_every_file(dist):
    lines = dict(reversed(line.split("  ")) for line in (dist / "SHA256SUMS").read_text().splitlines())
    assert set(lines) == {path.name for path in dist.iterdir()} - {"SHA256SUMS"}
    for name, digest in lines.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest, name


def test_the_deb_has_no_finding(one):
    shown = run("lintian", "--fail-on", "error,warning", "--allow-root", one("*.deb"), timeout=300)
    assert shown.returncode == 0, shown.stdout
    assert not re.search(r"^[EW]: ", shown.stdout, re.MULTILINE), shown.stdout


def test_the_deb_overrides_nothing_that_is_not_found(one):
    shown = run("lintian", "--allow-root", "--display-info", "--tags", "unused-override,mismatched-override",
                one("*.deb"), timeout=300)
    assert "unused-override" not in shown.stdout and "mismatched-override" not in shown.stdout, shown.stdout


def test_the_rpm_has_no_finding(one):
    shown = run("rpmlint", "--config", CHECKOUT / "packaging/rpm/rpmlint.toml", one("*.rpm"), timeout=300)
    assert re.search(r"\b0 errors, 0 warnings\b", shown.stdout), shown.stdout


def test_deb_and_rpm_hold_the_same_files(one, unpacked):
    listed = run("rpm", "--query", "--list", "--package", one("*.rpm")).stdout.splitlines()
    of_rpm = {line for line in listed if line.startswith("/")}
    of_deb = {f"/{path.relative_to(unpacked)}" for path in unpacked.rglob("*") if path.is_file()}
    only_deb = {path for path in of_deb - of_rpm if not re.search("lintian|needrestart|changelog.Debian|/_kferry$", path)}
    assert only_deb == set()
    assert all(path in of_deb or (unpacked / path[1:]).is_dir() or re.search("/_kferry$|^/var/log/kferry$", path)
               for path in of_rpm)


def test_the_configuration_is_for_root_and_kferry_alone(one):
    listed = run("dpkg-deb", "--contents", one("*.deb")).stdout
    assert re.search(r"^-rw-r----- root/root .* \./etc/kferry/kferry.toml$", listed, re.MULTILINE)
    assert re.search(r"^drwxr-x--- root/root .* \./etc/kferry/$", listed, re.MULTILINE)


def test_static_built_using_names_what_is_linked(one):
    field = run("dpkg-deb", "--field", one("*.deb"), "Static-Built-Using").stdout
    for source in ("openssl", "glibc", "gcc-12", "c-ares", "liburing"):
        assert re.search(rf"\b{source} \(= [\w.+~:-]+\)", field), field


def test_every_part_of_the_sbom_is_in_the_copyright_file(one, unpacked):
    text = (unpacked / "usr/share/doc/kferry/copyright").read_text()
    names = [part["name"] for part in json.loads(one("*.cdx.json").read_text())["components"]]
    assert {"wolfssl", "openssl", "glibc"} <= set(names)
    assert [name for name in names if f"\nFiles: linked/{name}/*\n" not in text] == []


def test_the_sbom_is_valid_and_names_this_binary(one, unpacked):
    sbom = one("*.cdx.json")
    release_sbom.validate(tool("python3"), sbom)
    document = json.loads(sbom.read_text())
    digest = hashlib.sha256((unpacked / "usr/bin/kferry").read_bytes()).hexdigest()
    assert document["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    wolfssl = next(part for part in document["components"] if part["name"] == "wolfssl")
    assert re.fullmatch(r"pkg:github/wolfSSL/wolfssl@v[\d.]+-stable", wolfssl["purl"])
    assert re.fullmatch(r"cpe:2\.3:a:wolfssl:wolfssl:[\d.]+(:\*){7}", wolfssl["cpe"])
    assert (unpacked / "usr/share/doc/kferry/kferry.cdx.json").read_bytes() == sbom.read_bytes()


def test_a_broken_sbom_is_refused(one, tmp_path):
    document = json.loads(one("*.cdx.json").read_text())
    document["components"][0]["licenses"] = "MIT"
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(document))
    with pytest.raises(release_sbom.Failure):
        release_sbom.validate(tool("python3"), broken)


def test_the_sbom_and_version_agree_on_wolfssl_and_openssl(one, unpacked):
    shown = run(unpacked / "usr/bin/kferry", "--version").stdout
    parts = {part["name"]: part["version"] for part in json.loads(one("*.cdx.json").read_text())["components"]}
    assert f"wolfSSL {parts['wolfssl']}," in shown
    assert f"OpenSSL {parts['openssl'].split('-')[0]}," in shown
    assert re.search(r"^commit [0-9a-f]{12}, GCC ", shown, re.MULTILINE)


def test_the_binary_holds_no_path_of_this_machine(unpacked):
    data = (unpacked / "usr/bin/kferry").read_bytes()
    assert str(CHECKOUT).encode() not in data
    assert b"/home/" not in data and b"/root/" not in data


def test_the_symbols_belong_to_the_binary(one, unpacked, tmp_path):
    with tarfile.open(one("*-debug.tar.gz")) as archive:
        archive.extractall(tmp_path)
    symbols = next(tmp_path.glob("*.debug"))
    ids = {re.search(r"Build ID: (\w+)", run("readelf", "--notes", path).stdout)[1]
           for path in (symbols, unpacked / "usr/bin/kferry")}
    assert len(ids) == 1
    assert ".debug_info" in run("readelf", "--sections", "--wide", symbols).stdout
    assert ".debug_info" not in run("readelf", "--sections", "--wide", unpacked / "usr/bin/kferry").stdout


def test_the_image_is_small(one):
    with tarfile.open(one("*-image-*.tar")) as archive:
        assert sum(entry.size for entry in archive) <= IMAGE_BYTES_MAX
    assert one("*-image-*.tar").stat().st_size <= IMAGE_BYTES_MAX


def test_the_source_archive_is_this_checkout(one):
    names = run("tar", "--list", "--file", one("*-source.tar.gz")).stdout.splitlines()
    top = one("*-source.tar.gz").name.removesuffix("-source.tar.gz")
    assert f"{top}/scripts/wolfssl.py" in names and f"{top}/LICENSE" in names


def test_the_chart_in_the_release_is_whole(one, tmp_path):
    """Without the links of the checkout."""
    with tarfile.open(one("*-kubernetes.tar.gz")) as archive:
        assert all(entry.isfile() for entry in archive)
        archive.extractall(tmp_path)
    chart = next(tmp_path.glob("*/chart"))
    assert (chart / "files/alerts.yml").read_bytes() == (CHECKOUT / "packaging/prometheus/alerts.yml").read_bytes()
    version = re.search(r"^appVersion: (.*)$", (chart / "Chart.yaml").read_text(), re.MULTILINE)[1]
    assert one("*-kubernetes.tar.gz").name == f"kferry-{version}-kubernetes.tar.gz"


@EMPTY_ROOT
def test_the_binary_runs_where_there_is_nothing_else(empty_root):
    shown = run("chroot", empty_root, "/kferry", "--version", env={"PATH": "/usr/sbin:/usr/bin"})
    assert shown.returncode == 0 and shown.stdout.startswith("kferry "), shown.stdout


@EMPTY_ROOT
def test_it_serves_health_where_there_is_nothing_else(empty_root):
    """Neither /proc nor /dev nor /etc: the workers turn, and `kferry health` says so."""
    ports = {"GATEWAY_LISTENER_EXTERNAL_PORTS": "26969-26971", "GATEWAY_HTTP_PORT": "28888"}
    environment = {"PATH": "/usr/sbin:/usr/bin", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:26999",
                   "GATEWAY_LISTENER_NAMES": "external", "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "127.0.0.1",
                   "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "PLAINTEXT", **ports}
    with subprocess.Popen(["chroot", empty_root, "/kferry", "run"], env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as running:
        try:
            assert any("cause=ready" in line for line in running.stderr)
            asked = run("chroot", empty_root, "/kferry", "health", "--serving", env=environment)
            assert asked.returncode == 0, asked.stdout
        finally:
            running.kill()


def test_the_man_page_and_changelog_are_readable(unpacked):
    page = gzip.decompress((unpacked / "usr/share/man/man1/kferry.1.gz").read_bytes())
    assert page.startswith(b".TH KFERRY 1")
    assert b"kferry (" in gzip.decompress((unpacked / "usr/share/doc/kferry/changelog.Debian.gz").read_bytes())
