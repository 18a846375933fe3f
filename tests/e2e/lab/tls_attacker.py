"""TLS-Attacker, fetched once by Maven into `.cache/tls-attacker/<version>` of the checkout."""

import pathlib

from . import kafka_jars, maven

VERSION = "6.3.4"
_CACHE = kafka_jars.CHECKOUT / ".cache" / "tls-attacker" / VERSION
_SOURCE = pathlib.Path(__file__).parent / "attacker" / "Attacker.java"


def command(*words):
    """The command that runs the cases of attacker/Attacker.java."""
    with maven.locked(_CACHE):
        jars = maven.fetch(_CACHE, [f"de.rub.nds.tls.attacker:tls-core:{VERSION}"])
    silent = [f"-Dlog4j2.configurationFile={kafka_jars.JAVA_SOURCES / 'log4j2.properties'}", "-Dlab.log.level=OFF"]
    return ["java", *kafka_jars.FAST_JVM, "-Xmx256m", *silent, "-cp", f"{jars}/*", _SOURCE, *words]
