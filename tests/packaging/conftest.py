"""What the tests of the packaging share: where things are, and running a program."""

import os
import pathlib
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(CHECKOUT / "scripts"), str(CHECKOUT / "tests/e2e"), str(CHECKOUT / "tests/kubernetes"),
                str(pathlib.Path(__file__).parent)]


def run(*words, timeout=60, **options):
    """Standard output and error together, in `stdout`."""
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, check=False, stdin=subprocess.DEVNULL, **options)


@pytest.fixture(scope="session")
def dist():
    """build/dist, as `./dev release` has left it."""
    folder = pathlib.Path(os.environ["KFERRY_DIST"])
    assert (folder / "SHA256SUMS").exists(), f"{folder} has no release: run ./dev release"
    return folder


@pytest.fixture(scope="session")
def one(dist):
    """one(pattern): the one file of the release that fits it."""
    def find(pattern):
        found = list(dist.glob(pattern))
        assert len(found) == 1, f"{pattern}: {[path.name for path in found]}"
        return found[0]
    return find
