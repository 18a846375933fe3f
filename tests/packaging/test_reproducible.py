"""Two releases of one commit are equal byte for byte: made in different folders, under another umask, time zone, locale
and home, the second one without a compiler cache."""

import os
import shutil
import subprocess

from conftest import CHECKOUT, run

BUILD_S = 3600


def test_a_release_made_elsewhere_is_the_same(dist, tmp_path):
    other = tmp_path / "elsewhere" / "deeper"
    other.parent.mkdir(parents=True)
    cloned = run("git", "-c", "safe.directory=*", "clone", "--quiet", "--no-local", CHECKOUT, other)
    assert cloned.returncode == 0, cloned.stdout
    commit = run("git", "-c", "safe.directory=*", "-C", CHECKOUT, "rev-parse", "HEAD").stdout.strip()
    assert run("git", "-C", other, "checkout", "--quiet", commit).returncode == 0
    # nfpm and the validators, and wolfSSL's build, whose key is its version, flags and compiler.
    (other / "build").mkdir()
    (other / "build/packaging-tools").symlink_to(CHECKOUT / "build/packaging-tools")
    shutil.copytree(CHECKOUT / "subprojects/wolfssl", other / "subprojects/wolfssl", symlinks=True, dirs_exist_ok=True)
    made = subprocess.run(
        ["bash", "-c", "umask 077 && exec nice ./dev release"], cwd=other, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=BUILD_S, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8",
             "LANG": "tr_TR.UTF-8", "CCACHE_DISABLE": "1",
             **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SOURCE_DATE_EPOCH"))}})
    assert made.returncode == 0, made.stdout[-3000:]
    mine = {path.name: path.read_bytes() for path in dist.iterdir()}
    others = {path.name: path.read_bytes() for path in (other / "build/dist").iterdir()}
    assert sorted(mine) == sorted(others)
    assert [name for name in mine if mine[name] != others[name]] == []
