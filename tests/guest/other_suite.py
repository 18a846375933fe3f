"""A suite of Debian that this machine has not configured, in a private configuration of apt: the configured entry of
the machine's own release, with its mirror and its keys, under the other suite's name. Nothing of the machine's
configuration is touched; signatures are checked by apt, as ever (a release's keyring has the next release's keys once
it is brought up to date: package debian-archive-keyring)."""

import glob
import os
import pathlib
import platform
import re


class NoSuite(Exception):
    """The text says why."""


def environment(suite, folder):
    """What lets apt-get and apt-cache know `suite`, and nothing else; its files are in `folder`."""
    folder = pathlib.Path(folder)
    for name in ("parts", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    here = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    if not copy_sources(here, suite, folder / "parts"):
        raise NoSuite(f"no source of apt has {here or 'a release that is named'} main, from which to derive {suite}")
    configuration = folder / "apt.conf"
    configuration.write_text(f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{folder}/parts";\n'
                             f'Dir::State::lists "{folder}/lists";\nDir::Cache "{folder}/cache";\n'
                             'Acquire::Languages "none";\nAPT::Architectures { "amd64"; };\n' +
                             ('APT::Sandbox::User "root";\n' if os.geteuid() == 0 else ""))
    return {"APT_CONFIG": str(configuration)}


def copy_sources(here, suite, parts):
    """Entries of `here` main as those of `suite`, in both of apt's formats; how many."""
    found = 0
    for number, path in enumerate(["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]):
        if not os.path.isfile(path):
            continue
        text = open(path, encoding="utf-8", errors="replace").read()
        entries, suffix = [], pathlib.Path(path).suffix
        if suffix == ".sources":
            entries = [entry for part in re.split(r"\n\s*\n", text) if (entry := paragraph(part, here, suite))]
        elif suffix == ".list":
            entries = [entry for line in text.splitlines() if (entry := one_line(line, here, suite))]
        if entries:
            (parts / f"{number}{suffix}").write_text("\n\n".join(entries) + "\n")
        found += len(entries)
    return found


def paragraph(text, here, suite):
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    fields = {line.partition(":")[0].lower(): line.partition(":")[2].split() for line in lines if line[:1].strip()}
    if ("deb" not in fields.get("types", []) or here not in fields.get("suites", []) or
            "main" not in fields.get("components", []) or fields.get("enabled") == ["no"]):
        return None
    wanted = {"types": "deb", "suites": suite, "components": "main"}
    fresh = []
    for line in lines:
        name = line.partition(":")[0]
        fresh.append(f"{name}: {wanted[name.lower()]}" if name.lower() in wanted else line)
    return "\n".join(fresh)


def one_line(line, here, suite):
    found = re.match(r"^\s*deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]*)", line)
    if not found or found[3] != here or "main" not in found[4].split():
        return None
    return f"deb {found[1] or ''}{found[2]} {suite} main"
