"""Why connections end: one list of causes for log, metrics and audit. docs/metrics.md, src/base/close_cause.h and the table
of src/proxy/close_table.cc, which maps the log's finer causes onto them, agree in both directions."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The sections of docs/log-messages.md whose causes end a client's connection, whatever the broker or the client sent.
ENDING = ("What a client sends", "What a broker answers", "The TLS handshake and TLS records", "Certificates of peers")
# A literal after the severity of a failure, or of a line that the session writes where it ends.
FAIL = re.compile(r'\bfail\(\s*Severity::\w+,\s*"(\w+)"')


def source(name):
    return (ROOT / "src" / name).read_text()


def causes():
    """The names, in the order of the enumerators."""
    text = source("base/close_cause.h")
    enumerators = re.search(r"enum class CloseCause[^{]*\{(.*?)\bend_", text, re.S)[1]
    names = re.search(r"close_cause_names = \{(.*?)\};", text, re.S)[1]
    listed = re.findall(r"\w+", enumerators)
    assert listed == re.findall(r'"(\w+)"', names)
    return listed


def rows():
    return re.findall(r'\{"(\w+)", (\w+)\}', source("proxy/close_table.cc"))


def documented():
    section = (ROOT / "docs/metrics.md").read_text().split("## Why connections end")[1]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): (row[1], re.findall(r"`(\w+)`", row[2])) for row in cells}


def test_the_page_has_every_cause_with_its_log_causes():
    page = documented()
    assert list(page) == causes()
    for cause, (meaning, log_causes) in page.items():
        assert meaning.endswith(".") and len(meaning) > 20
        assert log_causes == [log for log, of in rows() if of == cause], cause


def test_every_log_cause_that_ends_a_connection_has_one_row():
    names = [log for log, _ in rows()]
    assert len(names) == len(set(names))
    sections = re.split(r"^## (.*)$", (ROOT / "docs/log-messages.md").read_text(), flags=re.M)
    listed = dict(zip(sections[1::2], sections[2::2]))
    every = set(re.findall(r"^\| `(\w+)` \|", "\n".join(listed.values()), re.M))
    assert set(names) <= every, "in the table, not in docs/log-messages.md"
    ending = {cause for title in ENDING for cause in re.findall(r"^\| `(\w+)` \|", listed[title], re.M)}
    for path in (ROOT / "src/proxy").glob("session*.cc"):
        ending |= set(FAIL.findall(path.read_text()))
    assert ending - set(names) == set(), "ends connections, and has no row"


def test_every_cause_is_used_or_said_to_be_unused():
    used = {of for _, of in rows()}
    for path in (ROOT / "src/proxy").glob("*.cc"):
        used |= set(re.findall(r"CloseCause::(\w+)", path.read_text()))
    for cause, (meaning, _) in documented().items():
        assert ("Not in use yet" in meaning) == (cause not in used), cause
