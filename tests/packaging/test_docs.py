"""The commands and configurations in the pages about installing: each block is run here, or says `norun:` with the
reason. No link leads nowhere."""

import os
import re

import pytest
from conftest import CHECKOUT, run

PAGES = sorted([*(CHECKOUT / "docs/install").glob("*.md"), CHECKOUT / "packaging/README.md", CHECKOUT / "docs/stability.md"])
FENCE = re.compile(r"^ *```(\w+)(?: ([^\n]*))?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(page, *match.groups()) for page in PAGES for match in FENCE.finditer(page.read_text())]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")


def test_every_page_is_there():
    assert {"deb.md", "rpm.md", "container.md", "edge-vm.md", "README.md"} <= {page.name for page in PAGES}


def test_each_block_is_run_or_gives_its_reason(tmp_path, capsys):
    ran, not_run = 0, 0
    for page, kind, words, text in BLOCKS:
        if words and words.startswith("norun"):
            assert re.fullmatch(r"norun: \S.{10,}", words), f"{page.name}: a norun without its reason"
            not_run += 1
            continue
        assert not words, f"{page.name}: {words}"
        file = tmp_path / f"block.{kind}"
        file.write_text(text)
        command = {"toml": [os.environ["KFERRY"], "check", "--config", file], "sh": ["sh", "-eu", file]}[kind]
        done = run(*command, env={"PATH": os.environ["PATH"]}, cwd=tmp_path)
        assert done.returncode == 0, f"{page.name}:\n{text}\n{done.stdout}"
        ran += 1
    with capsys.disabled():
        print(f"\ninstallation pages: {ran} blocks run, {not_run} not run")
    assert ran


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_is_dead(page):
    dead = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert dead == []


def test_tests_that_a_page_names_exist():
    named = {name for page in PAGES for name in re.findall(r"tests/packaging/\w+\.py", page.read_text())}
    assert named and all((CHECKOUT / name).exists() for name in named)
