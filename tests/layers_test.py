#!/usr/bin/env python3
"""The layers of ARCHITECTURE.md, checked: an include against the arrows, an arrow that no include needs, a file
without its contract, a header that does not compile alone; and the form of the sources: lines, columns, and words that
read as translated. Ends in the line `N passed, N failed`.

Static libraries pass include paths on transitively, so the build alone does not see a wrong include.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
# A layer, and what it may include besides itself: whole layers, or single headers of one. Tests may include the same as
# their layer.
ARROWS = {
    "base": set(),
    "kafka": {"base"},
    "ring": {"base"},
    "x509": {"base"},
    "tls/record": {"base"},
    "tls": {"base", "x509", "tls/record"},
    "config": {"base"},
    "certificates": {"base", "x509", "tls", "config"},
    "net": {"base", "ring"},
    "connection": {"base", "ring", "tls/record", "tls", "net"},
    "proxy": {"base", "kafka", "ring", "tls", "config", "certificates", "net", "connection"},
    "operations": {"base"},
    "cli": {"base", "kafka", "ring", "x509", "tls", "config", "certificates", "net", "connection",
            "proxy", "operations"},
}
# Arrows that later work needs. Metrics, audit and status read snapshots and never see a session; an HTTP endpoint needs a
# ring. An arrow moves to ARROWS with its first include.
RESERVED = {
    "operations": {"config", "ring", "net", "proxy/topology.h"},
}
# The layers that may include a library's headers.
LIBRARIES = {"openssl": {"x509"}, "wolfssl": {"x509", "tls/record", "tls"}, "toml++": {"config"}}
# The form of a file: lines, columns of code, columns of a line with a comment.
LINES_MAX, CODE_MAX, COMMENT_MAX = 400, 110, 120
# Words of the old prose, in comments, texts and names. What ASN.1 calls an OCTET STRING is written in capitals.
STALE_WORDS = re.compile(r"\b(?:[Oo]ctets?|[Ww]hom|[Ww]hoever|[Nn]obody|thereof|to be had|let go|stands)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)
FLAGS = ["-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++"]


def contract_in_own_header(name, text):
    """x.cc and x_test.cc may leave the contract to x.h, if that is what they open with."""
    own = name.removesuffix(".cc").removesuffix("_test") + ".h"
    first = INCLUDE.search(text)
    return name.endswith(".cc") and bool(first) and text.startswith("#include") and first[1] == own


def layer_of(name):
    """The layer of a path below src/, such as "tls/record" for tls/record/aead.h; None where there is none."""
    parts = name.split("/")
    return next((layer for layer in ("/".join(parts[:2]), parts[0]) if layer in ARROWS), None)


def sources_of(source):
    """Each source file's name below `source` and its text."""
    for path in sorted(source.rglob("*")):
        if path.suffix in (".cc", ".h"):
            yield str(path.relative_to(source)), path.read_text()


def violations(source):
    """What is wrong with the includes and the opening of the tree under `source`, a line each."""
    wrong = []
    for name, text in sources_of(source):
        layer = layer_of(name)
        if layer is None:
            wrong.append(f"src/{name}: no layer {name.split('/')[0]!r}; layers are {', '.join(ARROWS)}")
            continue
        if not text.startswith("//") and not contract_in_own_header(name, text):
            wrong.append(f"src/{name}: does not open with its contract as a comment")
        for included in INCLUDE.findall(text):
            library = included.split("/")[0]
            if layer not in LIBRARIES.get(library, {layer}):
                wrong.append(f"src/{name}: only {', '.join(sorted(LIBRARIES[library]))} may include {included!r}")
            other = layer_of(included)
            allowed = ARROWS[layer] | RESERVED.get(layer, set()) | {layer}
            if ".." in included.split("/"):
                wrong.append(f"src/{name}: includes {included!r}; write it from src/, \"layer/file.h\"")
            elif other is not None and "/" in included and not allowed & {other, included}:
                wrong.append(f"src/{name}: {layer} must not know {other}, but includes {included!r}")
    return wrong


def arrows_out_of_date(source):
    """The arrows that no include needs, and the reserved ones that have come into use, a line each."""
    used = {layer: set() for layer in ARROWS}
    for name, text in sources_of(source):
        for included in INCLUDE.findall(text):
            if layer_of(name) is not None:
                used[layer_of(name)] |= {layer_of(included), included}
    unused = [f"ARROWS: {layer} includes nothing of {arrow}: remove the arrow"
              for layer, arrows in ARROWS.items() for arrow in sorted(arrows - used[layer])]
    return unused + [f"RESERVED: {layer} includes {arrow} now: move the arrow to ARROWS"
                     for layer, arrows in RESERVED.items() for arrow in sorted(arrows & used[layer])]


def form(source):
    """What is wrong with the form of the sources, a line each."""
    wrong = []
    for name, text in sources_of(source):
        lines = text.splitlines()
        if len(lines) > LINES_MAX:
            wrong.append(f"src/{name}: {len(lines)} lines, more than {LINES_MAX}: split it by what it does")
        for number, line in enumerate(lines, 1):
            columns = COMMENT_MAX if "//" in line else CODE_MAX
            if len(line) > columns:
                wrong.append(f"src/{name}:{number}: {len(line)} columns, more than {columns}")
            if stale := STALE_WORDS.search(line):
                wrong.append(f"src/{name}:{number}: says {stale[0]!r}; write plainer English")
    return wrong


def compiles_alone(source, header):
    """The compiler's complaint, or an empty string."""
    program = f'#include "{header.relative_to(source)}"\n'
    done = subprocess.run([os.environ.get("CXX", "g++"), *FLAGS, f"-I{source}", "-"], input=program, text=True,
                          capture_output=True, check=False)
    return "" if done.returncode == 0 else done.stderr or f"status {done.returncode}"


def headers_that_fail(source):
    headers = sorted(source.rglob("*.h"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = list(pool.map(lambda header: compiles_alone(source, header), headers))
    return headers, [f"src/{header.relative_to(source)}: does not compile alone:\n{text}"
                     for header, text in zip(headers, complaints) if text]


def planted():
    """Every kind of fault, planted, must be found: [(what was planted, whether it was found)]."""
    plants = {
        "kafka/knows_ring.h": ('// x\n#include "ring/ring.h"\n', "kafka must not know ring"),
        "base/knows_kafka.cc": ('// x\n  #  include <kafka/frame.h>\n', "base must not know kafka"),
        "proxy/knows_cli.cc": ('// x\n#include "cli/options.h"\n', "proxy must not know cli"),
        "net/goes_up.cc": ('// x\n#include "../proxy/session.h"\n', "write it from src/"),
        "tls/knows_openssl.cc": ("// x\n#include <openssl/x509.h>\n", "only x509 may include"),
        "net/knows_wolfssl.h": ("// x\n#include <wolfssl/ssl.h>\n", "only tls, tls/record, x509 may include"),
        "tls/record/knows_tls.h": ('// x\n#include "tls/engine.h"\n', "tls/record must not know tls,"),
        "operations/knows_session.h": ('// x\n#include "proxy/session.h"\n', "operations must not know proxy"),
        "ring/silent.h": ("#include <vector>\n", "does not open with its contract"),
        "ring/silent.cc": ("#include <vector>\n", "does not open with its contract"),
        "helper/new.h": ("// x\n", "no layer 'helper'"),
    }
    outcome = []
    with tempfile.TemporaryDirectory(prefix="kferry-layers-") as folder:
        source = pathlib.Path(folder)
        for name, (text, _) in plants.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
        good = source / "cli/good.cc"
        good.parent.mkdir()
        good.write_text('// x\n#include "proxy/session.h"\n#include <kafka_like.h>\n')
        (source / "operations/reads_topology.h").write_text('// x\n#include "proxy/topology.h"\n')
        (source / "tls/knows_record.h").write_text('// x\n#include "tls/record/aead.h"\n')
        (source / "cli/own_test.cc").write_text('#include "cli/own.h"\n')
        (source / "base/lonely.h").write_text("// x\ninline std::string lonely();\n")
        found = violations(source)
        for name, (_, words) in plants.items():
            outcome.append((name, any(name in line and words in line for line in found)))
        for name in ("cli/good.cc", "cli/own_test.cc", "operations/reads_topology.h", "tls/knows_record.h"):
            outcome.append((name, not any(name in line for line in found)))
        (source / "ring/long.h").write_text("// x\n" * (LINES_MAX + 1))
        (source / "ring/wide.h").write_text("// x" + " x" * 59 + "\nint " + "x" * CODE_MAX + ";\n")
        (source / "ring/words.h").write_text("// A queue that nobody reads.\n// It understands an OCTET STRING.\n")
        misshapen = form(source)
        for name, count in (("ring/long.h", 1), ("ring/wide.h", 2), ("ring/words.h", 1), ("cli/good.cc", 0)):
            outcome.append((name, sum(f"src/{name}:" in line for line in misshapen) == count))
        stale = arrows_out_of_date(source)
        for arrow, expected in (("ARROWS: kafka includes nothing of base", True),
                                ("ARROWS: cli includes nothing of proxy", False),
                                ("ARROWS: tls includes nothing of tls/record", False),
                                ("RESERVED: operations includes proxy/topology.h now", True),
                                ("RESERVED: operations includes ring now", False)):
            outcome.append((arrow, any(line.startswith(arrow) for line in stale) == expected))
        outcome.append(("base/lonely.h", "std" in compiles_alone(source, source / "base/lonely.h")))
    return outcome


def main():
    source = CHECKOUT / "src"
    passed, failed = 0, 0
    for name, seen in planted():
        passed, failed = passed + seen, failed + (not seen)
        if not seen:
            print(f"self-test: wrong verdict on {name}")
    files = [path for path in source.rglob("*") if path.suffix in (".cc", ".h")]
    if not files:
        print("src/ holds no source file")
        failed += 1
    wrong = violations(source) + form(source)
    stale = arrows_out_of_date(source)
    headers, lonely = headers_that_fail(source)
    for line in wrong + stale + lonely:
        print(line)
    guilty = {line.split(":")[0] for line in wrong}
    passed += len(files) - len(guilty) + len(headers) - len(lonely)
    failed += len(guilty) + len(stale) + len(lonely)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
