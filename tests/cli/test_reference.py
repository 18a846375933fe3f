"""docs/configuration.md names every setting the loader knows, with the default the code has."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs/configuration.md").read_text()
KEYS = re.findall(r"^constexpr std::array (\w+)_table\{(.*?)\};$", (ROOT / "src/config/draft.cc").read_text(),
                  re.MULTILINE | re.DOTALL)


def test_every_key_is_in_the_reference():
    names = {(table, name) for table, body in KEYS for name in re.findall(r'Key\{"(\w+)"', body)}
    assert len(names) > 40
    missing = [name for table, name in sorted(names)
               if f"`{name}`" not in REFERENCE and f"`{name.upper()}`" not in REFERENCE]
    assert missing == []


def test_every_variable_is_in_the_reference():
    source = (ROOT / "src/config/environment.cc").read_text()
    listed = re.search(r"global_names\{(.*?)\};", source, re.DOTALL)[1]
    names = re.findall(r'"(GATEWAY_\w+)"', listed)
    assert len(names) == 10
    assert [name for name in names if not name.endswith("_FILE") and f"`{name}`" not in REFERENCE] == []


def test_the_defaults_are_those_of_the_code():
    limits = re.search(r"struct Limits \{(.*?)\};", (ROOT / "src/config/config.h").read_text(), re.DOTALL)[1]
    constants = {"unanswered_requests_max": 1024, "request_size_max": 100 << 20, "held_size_max": 1 << 20}
    defaults = re.findall(r"(\w+) = ([\w']+);", limits)
    assert len(defaults) == 11
    for name, written in defaults:
        value = constants.get(written) or int(written.replace("'", ""))
        assert re.search(rf"`{name}` \| {value} \|", REFERENCE), f"{name} is {value}"


def test_the_example_is_well(tmp_path):
    jaas = tmp_path / "jaas.conf"
    jaas.write_text('a.ScramLoginModule required username="u" password="p";\n')
    example = re.search(r"```toml\n(.*?)```", REFERENCE, re.DOTALL)[1]
    file = tmp_path / "kferry.toml"
    file.write_text(example.replace("/etc/kferry/jaas.conf", str(jaas)))
    shown = subprocess.run([os.environ["KFERRY"], "check", "--config", file], capture_output=True, text=True, timeout=60,
                           env={"PATH": os.environ["PATH"], "HOST_IP": "192.0.2.7"}, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "by SCRAM-SHA-512" in shown.stdout and "192.0.2.7:6971" in shown.stdout
