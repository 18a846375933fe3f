"""Apache Kafka's jars, fetched once by Maven into `.cache/kafka/<version>` of the checkout, the driver compiled
against them, and class data archives that halve a JVM's start.

KFERRY_KAFKA_VERSION chooses another version than the one tested by default.
"""

import hashlib
import os
import pathlib
import shutil

from . import maven

VERSION = os.environ.get("KFERRY_KAFKA_VERSION", "4.4.0")
CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
CACHE = CHECKOUT / ".cache" / "kafka" / VERSION
JAVA_SOURCES = pathlib.Path(__file__).parent / "java"

# For a machine with few cores: C1 only, no parallel collector.
FAST_JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"]

_DEPENDENCIES = [
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    f"org.apache.kafka:kafka-tools:{VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
    "org.apache.logging.log4j:log4j-core:2.24.3",
]


def _classpath(kind):
    # Brokers do without the driver, so that their archive outlives a change to it.
    jars = sorted((CACHE / "jars").glob("*.jar"))
    return ":".join(str(path) for path in ([CACHE / "driver.jar"] if kind == "client" else []) + jars)


def _compile_driver():
    sources = sorted(JAVA_SOURCES.glob("*.java"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = CACHE / "driver.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return
    classes = CACHE / "driver-classes"
    shutil.rmtree(classes, ignore_errors=True)
    maven.run(["javac", "-nowarn", "-d", classes, "-cp", _classpath("broker"), *sources])
    maven.run(["jar", "--create", "--file", CACHE / "driver.jar", "-C", classes, "."])
    archive_path("client").unlink(missing_ok=True)
    stamp.write_text(digest)


def archive_path(kind):
    """The class data archive of the JVMs of a kind: `broker`, `client`."""
    return CACHE / f"{kind}.jsa"


def prepare():
    """Fetches and compiles what is missing."""
    with maven.locked(CACHE):
        maven.fetch(CACHE, _DEPENDENCIES)
        _compile_driver()
        if not archive_path("client").exists():
            _archive("client", ["Warm"], timeout=60)


def _archive(kind, arguments, timeout):
    fresh = archive_path(kind).with_suffix(".fresh")
    maven.run(
        java(kind, arguments, heap="256m", more=[f"-XX:ArchiveClassesAtExit={fresh}"], archived=False),
        timeout=timeout,
        cwd=CACHE,
    )
    fresh.rename(archive_path(kind))


def java(kind, arguments, heap="256m", more=(), log_level="WARN", archived=True):
    """The command that runs a class of Kafka or of the driver."""
    archive = archive_path(kind)
    shared = [f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    return [
        "java",
        *FAST_JVM,
        f"-Xmx{heap}",
        *(shared if archived and archive.exists() else []),
        f"-Dlog4j2.configurationFile={JAVA_SOURCES / 'log4j2.properties'}",
        f"-Dlab.log.level={log_level}",
        *more,
        "-cp",
        _classpath(kind),
        *map(str, arguments),
    ]
