"""docs/configuration.md and the rows of the configuration's keys (`kferry settings --tsv`) say the same."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs/configuration.md").read_text()
# What the reference leaves out of a variable's name, because the table's header says it.
PREFIXES = {"[cluster.NAME.listener.NAME]": "GATEWAY_LISTENER_<NAME>_", "[cluster.NAME.listener.NAME.tls]": "GATEWAY_SSL_"}


def settings(*words):
    return subprocess.run([os.environ["KFERRY"], "settings", *words], capture_output=True, text=True, timeout=60, check=False)


def rows():
    """Every key's row: a dict by column."""
    lines = [line.split("\t") for line in settings("--tsv").stdout.splitlines()]
    assert len(lines) > 80 and all(len(line) == len(lines[0]) for line in lines)
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def documented():
    """Every row of the tables whose header begins with "key in" or "variable without": (table, {column: cell})."""
    found = []
    for block in re.split(r"\n\n", REFERENCE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines() if line.startswith("|")]
        header = [cell.strip() for cell in lines[0]] if lines else [""]
        if not header[0].startswith(("key in ", "variable without")):
            continue
        table = (re.search(r"`(\[.*\])`", header[0]) or [None, ""])[1]
        columns = [cell.split(" ")[0] for cell in header]
        for line in lines[2:]:
            assert len(line) == len(columns), line
            found.append((table, dict(zip(columns, (cell.strip() for cell in line)))))
    return found


def plain(cell):
    return cell.replace("`", "")


def name_of(table, key, variable):
    """What identifies a setting: its table with its key, or its variable where it has no key."""
    return (table, key) if key else (table, variable.removeprefix(PREFIXES.get(table, "")))


ROWS = {name_of(row["table"], row["key"], row["variable"]): row for row in rows()}
CELLS = {name_of(table, plain(cells.get("key", "")), plain(cells.get("variable", ""))): cells for table, cells in documented()}


def test_every_key_is_documented_and_nothing_else():
    assert len(CELLS) == len(documented()), "a key is documented twice"
    assert sorted(ROWS) == sorted(CELLS)


@pytest.mark.parametrize("name", sorted(set(ROWS) & set(CELLS)), ids=lambda name: "".join(name))
def test_the_reference_agrees_with_the_row(name):
    row, cells = ROWS[name], CELLS[name]
    assert plain(cells["default"]) == row["default"]
    assert plain(cells.get("range", "")) == row["range"]
    variable = row["variable"].removeprefix(PREFIXES.get(row["table"], ""))
    assert plain(cells.get("variable", "")).split(",")[0] == variable
    assert ("**secret**" in cells["meaning"]) == (row["secret"] == "secret")
    assert ("**not yet**" in cells["meaning"]) == (row["state"] == "not yet in effect")
    assert ("**upgrade**" in cells["meaning"]) == (row["takes effect by"] == "upgrade")
    assert ("ignored" in cells["meaning"]) == (row["state"] == "ignored")


def test_settings_lists_every_key():
    shown = settings()
    assert shown.returncode == 0 and shown.stderr == ""
    for row in rows():
        assert row["key"] in shown.stdout and row["variable"] in shown.stdout and row["meaning"] in shown.stdout
    assert "[limits]\n  upstream_connect_timeout_ms\n" in shown.stdout
    assert "      default none; secret; ignored\n" in shown.stdout


def test_settings_finds_by_words():
    shown = settings("Keepalive", "_s")
    assert shown.returncode == 0
    assert re.findall(r"^  (\w+)", shown.stdout, re.MULTILINE) == ["keepalive_idle_s", "keepalive_interval_s"]
    by_variable = settings("GATEWAY_SSL_CRL_PATH")
    assert "crl, GATEWAY_SSL_CRL_PATH" in by_variable.stdout and by_variable.stdout.count("default") == 1


def test_settings_suggests_the_nearest_key():
    shown = settings("keepalive_idel_s")
    assert shown.returncode == 1 and shown.stdout == ""
    assert "no setting matches 'keepalive_idel_s': did you mean keepalive_idle_s?" in shown.stderr


def test_the_example_is_valid(tmp_path):
    jaas = tmp_path / "jaas.conf"
    jaas.write_text('a.ScramLoginModule required username="u" password="p";\n')
    example = re.search(r"```toml\n(.*?)```", REFERENCE, re.DOTALL)[1]
    file = tmp_path / "kferry.toml"
    file.write_text(example.replace("/etc/kferry/jaas.conf", str(jaas)))
    shown = subprocess.run([os.environ["KFERRY"], "check", "--config", file], capture_output=True, text=True, timeout=60,
                           env={"PATH": os.environ["PATH"], "HOST_IP": "192.0.2.7"}, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "by SCRAM-SHA-512" in shown.stdout and "192.0.2.7:6971" in shown.stdout
