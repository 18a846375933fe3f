#!/usr/bin/env python3
"""kferry under kernels other than the host's: boots Debian's 6.12 (kernel TLS), 6.1 (the floor) and, with --all, 6.18
(kernel TLS that can change its keys) under QEMU, without hardware virtualisation, on an initramfs of what was built,
and reads the checks off the console.

    tests/guest/run.py --build build/release [--all] [--series 6.12] [--check WORD] [--backend epoll]

Ends in the line `N passed, N failed, N skipped`. A kernel that cannot be had is skipped with its reason. The checks
themselves, run inside the guest, are in inside/.
"""

import argparse
import concurrent.futures
import pathlib
import platform
import py_compile
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
INSIDE = HERE / "inside"
sys.path[:0] = [str(HERE), str(INSIDE)]

import kernels  # noqa: E402
from initramfs import Initramfs  # noqa: E402

SERIES = ["6.12", "6.1"]
ONLY_IN_ALL = ["6.18"]
QEMU = "qemu-system-x86_64"
# TCG, for nested virtualisation is seldom to be had, and hangs where it is half there.
# QEMU 7.2 announces a VAES that it refuses in part: a program that believes it is killed by SIGILL.
MACHINE = ["-machine", "q35", "-cpu", "max,-vaes,-vpclmulqdq", "-smp", "2", "-m", "1024", "-nodefaults",
           "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"]
# A newer kernel patches its code so often that QEMU 7.2 on several threads runs into what is patched no more ("Oops:
# int3"), which it cannot on one.
ACCELERATOR = {"6.18": "tcg,thread=single"}
ACCELERATOR_ELSE = "tcg,thread=multi"
MACHINES = set()  # that run now
SILENCE_MAX_S = 240  # of the console; a busy host makes everything slow, not wrong
CHECK = re.compile(r"^check (\S+) (ok|failed)\b ?(.*)$")
TAIL_LINES = 60


def certificates(folder):
    """An authority and a server's certificate for the names of the guest's brokers, made by openssl."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj",
            "/CN=guest authority")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,DNS:broker.test,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out",
            "server.crt", "-days", "30", "-extfile", "names")
    (folder / "server.pem").write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())
    return [folder / "ca.crt", folder / "server.pem"]


def python_of_the_guest(image, work):
    """The interpreter, and those modules of its library that the checks import."""
    image.program("/usr/bin/python3")
    # As a child, so that nothing of this process counts.
    listing = subprocess.run(
        ["/usr/bin/python3", "-E", "-s", "-S", "-B", "-c",
         f"import sys; sys.path.insert(0, {str(INSIDE)!r}); import checks, encodings.idna\n"
         "for m in list(sys.modules.values()):\n"
         "  f = getattr(m, '__file__', None)\n"
         "  if f and m.__name__ != '__main__': print(f)"],
        capture_output=True, text=True, check=True).stdout
    compiled = work / "module.pyc"
    for line in listing.splitlines():
        path = pathlib.Path(line)
        if INSIDE in path.parents:
            continue
        if path.suffix == ".so":
            image.program(path)
        else:  # compiled here: the guest's processor is slow
            py_compile.compile(str(path), cfile=str(compiled), doraise=True,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            image.copy(compiled, str(path.with_suffix(".pyc")))


def pack(build, kernel, work):
    image = Initramfs()
    image.program("/bin/busybox")
    for tool in ("kcat", "openssl"):
        image.program(shutil.which(tool) or f"/usr/bin/{tool}")
    for inside, built in (("kferry", "src/cli/kferry"), ("mock_cluster", "demo/mock_cluster"),
                          ("ring_test", "src/ring/ring_test"), ("sockets_test", "tests/simulation/sockets_test"),
                          ("kernel_tls_test", "src/connection/kernel_tls_test")):
        if inside != "kernel_tls_test" or (build / built).exists():  # the quick tier goes without
            image.program(build / built, f"/usr/bin/{inside}")
    python_of_the_guest(image, work)
    for path in INSIDE.glob("*.py"):
        image.copy(path, f"/checks/{path.name}")
    for path in certificates(work):
        image.copy(path, f"/certificates/{path.name}")
    for path in kernel.modules():
        image.copy(path, f"/modules/{path.name}")
    image.write("/modules/order", "".join(f"{path.name}\n" for path in kernel.modules()).encode())
    image.write("/etc/hosts", b"127.0.0.1 localhost\n127.0.0.2 broker.test\n")
    image.write("/etc/nsswitch.conf", b"hosts: files\n")
    image.copy("/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf")
    image.write("/init", (INSIDE / "init").read_bytes(), 0o755)
    path = work / "initramfs"
    path.write_bytes(image.archive())
    return path


def boot(kernel, initramfs, words, log):
    """The guest's console, line by line, until it is off or out of time."""
    append = f"console=ttyS0 quiet panic=-1 -- {' '.join(words)}".strip()
    with open(log, "w", encoding="utf-8") as out, subprocess.Popen(
            [QEMU, *MACHINE, "-accel", ACCELERATOR.get(kernel.series, ACCELERATOR_ELSE), "-kernel", str(kernel.image),
             "-initrd", str(initramfs), "-append", append],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as machine:
        late = None
        MACHINES.add(machine)
        try:
            while True:
                late = threading.Timer(SILENCE_MAX_S, machine.kill)
                late.start()
                raw = machine.stdout.readline()
                late.cancel()
                if not raw:
                    return
                line = raw.decode(errors="replace").rstrip()
                out.write(line + "\n")
                out.flush()
                yield line
        finally:
            if late:
                late.cancel()
            machine.kill()
            MACHINES.discard(machine)


def examine(build, kernel, words, log):
    """(passed, failed) of one boot."""
    start = time.monotonic()
    passed = failed = 0
    finished = False
    lines = []
    with tempfile.TemporaryDirectory(prefix="kferry-guest-") as work:
        initramfs = pack(build, kernel, pathlib.Path(work))
        packed = time.monotonic()
        size = initramfs.stat().st_size >> 20
        for line in boot(kernel, initramfs, words, log):
            lines.append(line)
            found = CHECK.match(line)
            if found:
                passed += found[2] == "ok"
                failed += found[2] != "ok"
                print(f"  {kernel.series} {line}", flush=True)
            elif line.startswith("guest "):
                print(f"  {kernel.series} {line} (initramfs {size} MiB packed in {packed - start:.1f} s, "
                      f"{time.monotonic() - packed:.1f} s since)", flush=True)
                finished = finished or line.startswith("guest done")
    if not finished:
        tail = "".join(f"\n    {line}" for line in lines[-TAIL_LINES:])
        print(f"  {kernel.series}: the guest did not come to its end; its console:{tail}", flush=True)
        failed += 1
    if failed:
        print(f"    the whole console: {log}", flush=True)
    print(f"{kernel.folder.name}: {passed} passed, {failed} failed in {time.monotonic() - start:.0f} s", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=CHECKOUT / "build/release")
    parser.add_argument("--series", action="append", choices=SERIES + ONLY_IN_ALL)
    parser.add_argument("--check", action="append", default=[], metavar="WORD",
                        help="only checks with WORD in their name")
    parser.add_argument("--all", action="store_true", help="the checks that the quick tier leaves out, too")
    parser.add_argument("--backend", choices=["auto", "epoll"], default="auto", help="of every kferry in the guest")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="how many guests run side by side")
    parser.add_argument("--log", type=pathlib.Path, default=CHECKOUT / "build/logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # by way of what cleans up
    options.log.mkdir(parents=True, exist_ok=True)
    words = (["all"] if options.all else options.check) + (["epoll"] if options.backend == "epoll" else [])
    boots = []
    passed = failed = skipped = 0
    for series in options.series or SERIES + (ONLY_IN_ALL if options.all else []):
        try:
            if platform.machine() != "x86_64":
                raise kernels.Unavailable(f"what was built here, on {platform.machine()}, does not run in this guest")
            boots.append(kernels.fetch(series))
        except kernels.Unavailable as reason:
            print(f"Linux {series}: skipped: {reason}")
            skipped += 1

    def examined(kernel):
        log = options.log / f"guest-console-{kernel.series}-{options.backend}.log"
        return examine(options.build.resolve(), kernel, words, log)

    # Two at once: one guest alone leaves half of two cores idle.
    with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        try:
            for one in pool.map(examined, boots):
                passed, failed = passed + one[0], failed + one[1]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for machine in list(MACHINES):
                machine.kill()
            raise
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
