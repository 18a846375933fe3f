#!/usr/bin/env python3
"""The layers of ARCHITECTURE.md, checked: an include against the arrows, a file without its contract, a header that
does not compile alone. Ends in the line `N passed, N failed`.

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
# A layer, and those it may use beside itself. Tests may use the same as their layer.
ARROWS = {
    "base": set(),
    "kafka": {"base"},
    "ring": {"base"},
    "x509": {"base"},
    "tls": {"base", "x509"},
    "config": {"base"},
    "certificates": {"base", "x509", "tls", "config"},
    "net": {"base", "ring", "tls"},
    "operations": {"base", "config"},
    "proxy": {"base", "kafka", "ring", "x509", "tls", "config", "certificates", "net", "operations"},
    "cli": {"base", "kafka", "ring", "x509", "tls", "config", "certificates", "net", "operations", "proxy"},
}
# The folders that may include a library's headers.
LIBRARIES = {"openssl": {"x509"}, "wolfssl": {"x509", "tls"}}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)
FLAGS = ["-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++"]


def contract_in_own_header(source, path, text):
    """x.cc and x_test.cc may leave the contract to x.h, if that is what they open with."""
    own = path.relative_to(source).with_name(path.stem.removesuffix("_test") + ".h")
    first = INCLUDE.search(text)
    return path.suffix == ".cc" and bool(first) and text.startswith("#include") and first[1] == str(own)


def violations(source):
    """What is wrong with the includes and the opening of the tree under `source`, a line each."""
    wrong = []
    for path in sorted(source.rglob("*")):
        if path.suffix not in (".cc", ".h"):
            continue
        layer, name = path.relative_to(source).parts[0], path.relative_to(source)
        if layer not in ARROWS:
            wrong.append(f"src/{name}: no layer {layer!r}; layers are {', '.join(ARROWS)}")
            continue
        text = path.read_text()
        if not text.startswith("//") and not contract_in_own_header(source, path, text):
            wrong.append(f"src/{name}: does not open with its contract as a comment")
        for included in INCLUDE.findall(text):
            other = included.split("/")[0]
            if layer not in LIBRARIES.get(other, {layer}):
                wrong.append(f"src/{name}: only {' and '.join(sorted(LIBRARIES[other]))} may include {included!r}")
            if ".." in included.split("/"):
                wrong.append(f"src/{name}: includes {included!r}; write it from src/, \"layer/file.h\"")
            elif other in ARROWS and "/" in included and other != layer and other not in ARROWS[layer]:
                wrong.append(f"src/{name}: {layer} must not know {other}, but includes {included!r}")
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
        "net/knows_wolfssl.h": ("// x\n#include <wolfssl/ssl.h>\n", "only tls and x509 may include"),
        "ring/silent.h": ("#include <vector>\n", "does not open with its contract"),
        "ring/silent.cc": ("#include <vector>\n", "does not open with its contract"),
        "helper/new.h": ("// x\n", "no layer 'helper'"),
    }
    outcome = []
    with tempfile.TemporaryDirectory(prefix="kferry-layers-") as folder:
        source = pathlib.Path(folder)
        for name, (text, _) in plants.items():
            (source / name).parent.mkdir(exist_ok=True)
            (source / name).write_text(text)
        good = source / "cli/good.cc"
        good.parent.mkdir()
        good.write_text('// x\n#include "proxy/session.h"\n#include <kafka_like.h>\n')
        (source / "cli/own_test.cc").write_text('#include "cli/own.h"\n')
        (source / "base/lonely.h").write_text("// x\ninline std::string lonely();\n")
        found = violations(source)
        for name, (_, words) in plants.items():
            outcome.append((name, any(name in line and words in line for line in found)))
        for name in ("cli/good.cc", "cli/own_test.cc"):
            outcome.append((name, not any(name in line for line in found)))
        outcome.append(("base/lonely.h", "std" in compiles_alone(source, source / "base/lonely.h")))
    return outcome


def main():
    source = CHECKOUT / "src"
    passed, failed = 0, 0
    for name, seen in planted():
        passed, failed = passed + seen, failed + (not seen)
        if not seen:
            print(f"self-test: the planted fault in {name} was judged wrongly")
    files = [path for path in source.rglob("*") if path.suffix in (".cc", ".h")]
    if not files:
        print("src/ holds no source file")
        failed += 1
    wrong = violations(source)
    headers, lonely = headers_that_fail(source)
    for line in wrong + lonely:
        print(line)
    guilty = {line.split(":")[0] for line in wrong}
    passed += len(files) - len(guilty) + len(headers) - len(lonely)
    failed += len(guilty) + len(lonely)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
