"""docs/log-messages.md and the sources name the same causes, in both directions.

A cause is a literal: LogEvent::cause and Failure::cause are views of static storage, so a name cannot be composed at run
time. The sources are searched in two ways, so that a cause in a constant, a table or an argument is found, too:
every snake_case literal of the folders that report failures counts unless its context says that it is a field or the name of
an alert; and at the places that take a cause, one-word literals count, and anything but a literal or a cause that is passed
on is an error. So a cause in a table has at least two words. What the search must find is planted in the tests below.
"""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST = ROOT / "docs/log-messages.md"
# Comments and literals. A character literal may be a quote.
TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|'(?:\\.|[^\\'\n])'|"(?:\\.|[^\\"\n])*\"""", re.DOTALL)
SNAKE = re.compile(r"_?[a-z0-9]+(_[a-z0-9]+)*_?")
# What comes before a snake_case literal that is not a cause: a field's row, a field that is read, a comparison.
NOT_A_CAUSE = re.compile(r"""\bField\{\s*$|\bin\.\w+\([^"();]*$|\bi32\(\s*$|cause\s*==\s*$|\.starts_with\(\s*$""")
# The folders whose snake_case literals are causes. In src/config and src/cli they are keys, so only places count there.
REPORTING = ("base", "kafka", "tls", "x509", "certificates", "net", "connection", "proxy", "operations")
# Fields, of records, too; the names of alerts; the codes of health's reasons; the names of metrics and their labels' values; the few causes
# that all others belong to (test_close_causes.py).
WITHOUT_CAUSES = {"src/kafka/api_table.cc", "src/tls/record/alert.cc", "src/operations/health.cc",
                  "src/operations/metrics.cc", "src/operations/metrics_table.cc", "src/base/close_cause.h",
                  "src/operations/audit_line.cc", "src/operations/audit_ocsf.cc", "src/proxy/close_table.cc", "src/proxy/counters.h", "src/proxy/counters.cc"}
NOT_CAUSES = {"io_uring"}
# Where a cause is written: after a severity, and first in a failure, a note or an objection.
AFTER_SEVERITY = re.compile(r"\bSeverity::(\w+),\s*([^,;]*),")
FAILING = re.compile(r"(?:\breturn\s*\{|\bFailure\s*\{|\bmake_failure\(|\bfail\(\s*\{?|\bpush_back\(\s*\{|\bobjection\s*=\s*\{)"
                     r"""\s*"([a-z0-9_]+)"\s*,""")
ENDING = re.compile(r'\bend_process\(\s*"([a-z0-9_]+)"\s*,')  # writes at level error, in any folder
FIRST_OF_FAILURE = re.compile(r"(?:\bFailure\s*\{|\bmake_failure\()\s*([^,;{}]*),")
WRITING = re.compile(r"\b\w*(?:log|sink)\w*(?:\.|->)write\(\s*\{?\s*([\w:.]+)")
IN_TEXT = re.compile(r"\bcause=([a-z0-9_]+)")
PASSED_ON = {"failure.cause"}
A_LITERAL = re.compile(r'\s*"\w+"\s*|[^"?+]*\?\s*"\w+"\s*:\s*"\w+"\s*')


def without_comments(text):
    return TOKEN.sub(lambda token: " " if token[0].startswith("/") else token[0], text)


def causes_of(name, text):
    """The causes in a source: {cause: levels}, where a level is known only beside a severity. An unknown form is an error."""
    found = {}
    text = without_comments(text)
    if name.split("/")[1] in REPORTING and name not in WITHOUT_CAUSES:
        for token in TOKEN.finditer(text):
            word = token[0][1:-1]
            if token[0][0] != '"':
                continue
            for part in IN_TEXT.findall(word):
                found.setdefault(part, set())
            if "_" in word and SNAKE.fullmatch(word) and not NOT_A_CAUSE.search(text[:token.start()]):
                found.setdefault(word, set())
        for cause in FAILING.findall(text):
            found.setdefault(cause, set())
        for place in FIRST_OF_FAILURE.findall(text):
            found.update({cause: set() for cause in re.findall(r'"(\w+)"', place) if cause not in found})
    for cause in ENDING.findall(text):
        found.setdefault(cause, set()).add("error")
    for level, place in AFTER_SEVERITY.findall(text):
        literals = re.findall(r'"([^"]*)"', place)
        known = A_LITERAL.fullmatch(place) or place.strip() in PASSED_ON
        assert known, f"{name}: {place.strip()} is neither a literal nor a cause that is passed on"
        for cause in literals:
            found.setdefault(cause, set()).update({level} if len(literals) == 1 else ())
    for place in FIRST_OF_FAILURE.findall(text):
        known = A_LITERAL.fullmatch(place) or re.fullmatch(r"(?:std::string_view )?(?:\w+\.)?cause", place.strip())
        assert known, f"{name}: {place.strip()} is neither a literal nor called cause: its name cannot be found"
    for first in WRITING.findall(text):
        known = first.startswith("Severity::") or first in ("severity", "problem.warning", "event")
        assert known, f"{name}: a log line that begins with {first}: its cause cannot be found"
    return {cause: levels for cause, levels in found.items() if cause not in NOT_CAUSES}


def all_causes():
    found = {}
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".cc", ".h") or "_test" in path.name or path.name.startswith("conformance"):
            continue
        for cause, levels in causes_of(str(path.relative_to(ROOT)), path.read_text()).items():
            found.setdefault(cause, set()).update(levels)
    return found


def listed():
    """The rows of the list: (cause, cells by column)."""
    rows = []
    for block in re.split(r"\n\n", LIST.read_text()):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines() if line.startswith("|")]
        for line in lines[2:]:
            assert len(line) == len(lines[0]), line
            rows.append((line[0].strip("`"), dict(zip(lines[0], line))))
    return rows


def test_the_list_and_the_sources_have_the_same_causes():
    names = [cause for cause, _ in listed()]
    assert len(names) == len(set(names)), "a cause is listed twice"
    code = all_causes()
    assert len(code) > 100
    assert sorted(set(code) - set(names)) == [], "in the code, not in docs/log-messages.md"
    assert sorted(set(names) - set(code)) == [], "in docs/log-messages.md, not in the code"


def test_the_list_has_the_levels_of_the_sources():
    code = all_causes()
    for cause, cells in listed():
        if "level" in cells:
            levels = set(cells["level"].split(", "))
            assert levels <= {"error", "warning", "info", "debug"} and code[cause] <= levels, cause
        else:
            assert not code[cause], f"{cause} is logged, so it needs a table with levels"


def test_every_cause_has_a_meaning():
    for cause, cells in listed():
        meaning = cells.get("what happened", cells.get("what is wrong"))
        assert len(meaning) > 15 and meaning.endswith("."), cause


PLANTED = {
    'log.write({Severity::info, "planted_one", name, "text"});': {"planted_one"},
    'fail(Severity::warning,\n     "planted", "text");': {"planted"},
    'log_.write({Severity::error, bad ? "planted_a" : "planted_b", where, text});': {"planted_a", "planted_b"},
    'constexpr std::string_view cause = "planted_constant";\nreturn Failure{cause, text};': {"planted_constant"},
    'return make_failure(size < 0 ? "planted" : "planted_b", text);': {"planted_b", "planted"},
    'Opening{"GETX", "planted_row", words},': {"planted_row"},
    'return {"planted", who + " did it"};': {"planted"},
    'end_process("planted_end", "text");': {"planted_end"},
    'verdict.objection = {"planted", "text", alert};': {"planted"},
    'auto cause = std::string("planted_") + kind;': {"planted_"},
    'const char* cause = small ? "too_small" : "too_large";': {"too_small", "too_large"},
    'line += " level=warning cause=planted_text";': {"planted_text"},
    '// log.write({Severity::info, "comment_only", name});': set(),
    'if (failure.cause == "planted_elsewhere") return;': set(),
    'const auto text = in.nullable_str("field_name");': set(),
    'std::string text = "a // no comment"; fail(\'"\', "planted_after");': {"planted_after"},
}


@pytest.mark.parametrize("text", PLANTED)
def test_a_planted_cause_is_found(text):
    assert set(causes_of("src/proxy/planted.cc", text)) == PLANTED[text]


@pytest.mark.parametrize("text", ['log.write({Severity::info, cause_of(kind), name, "text"});',
                                  'fail(Severity::error, std::string("planted_") + kind, "text");',
                                  "return Failure{gone, text};",
                                  "log.write(make_event(kind));"])
def test_a_cause_that_cannot_be_found_is_an_error(text):
    with pytest.raises(AssertionError):
        causes_of("src/proxy/planted.cc", text)
