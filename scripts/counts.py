"""Counts tests from what doctest, meson and pytest leave behind. No count is ever guessed from an exit status alone
where the tests were listed."""

import json
import re
from dataclasses import dataclass

DOCTEST = re.compile(r"\[doctest\] test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed(?:\s*\|\s*(\d+) skipped)?")
PYTEST = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
PYTEST_END = re.compile(r"^=* ?(.*\d+ (?:passed|failed|error|errors|skipped).*) in [\d.]+s", re.MULTILINE)
VECTORS = re.compile(r"^\S.*\S +(\d+) passed +(\d+) failed$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def of_doctest(output):
    """None where `output` holds no doctest summary."""
    found = DOCTEST.search(COLOUR.sub("", output))
    return Counts(int(found[2]), int(found[3]), 0) if found else None


def of_vectors(output):
    """The kinds of checks of tests/vectors/vectors_test, each one test; None where `output` holds no such lines."""
    kinds = VECTORS.findall(output)
    return Counts(sum(failed == "0" for _, failed in kinds), sum(failed != "0" for _, failed in kinds)) if kinds else None


def of_meson(log):
    """From meson's testlog.json: doctest's cases where a program says them, else one test a program."""
    counts = Counts()
    for line in log.read_text().splitlines():
        test = json.loads(line)
        well = test["result"] in ("OK", "EXPECTEDFAIL")
        if test["result"] == "SKIP":
            counts += Counts(skipped=1)
            continue
        cases = of_doctest(test.get("stdout", ""))
        if cases is None:
            cases = Counts(int(well), int(not well))
        elif not well and cases.failed == 0:
            cases += Counts(failed=1)  # a sanitizer's report, or a crash after the summary
        counts += cases
    return counts


def of_pytest(output, status):
    """From pytest's last line. A run that says nothing, or ends badly without a failed test, has failed."""
    ends = PYTEST_END.findall(COLOUR.sub("", output))
    counts = Counts()
    for number, word in PYTEST.findall(ends[-1]) if ends else []:
        if word in ("passed", "xfailed"):
            counts.passed += int(number)
        elif word == "skipped":
            counts.skipped += int(number)
        else:
            counts.failed += int(number)
    if status != 0 and counts.failed == 0 or counts.passed + counts.failed + counts.skipped == 0:
        counts.failed += 1
    return counts
