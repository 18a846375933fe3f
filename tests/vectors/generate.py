#!/usr/bin/env python3
"""Makes the test vectors with Kafka's own classes, and lets Kafka's own parser judge neutralised frames.

The two (three) commands of a test run, from anywhere in the checkout:

    vectors=$(tests/vectors/generate.py [--all])                      # prints the file's path, progress on stderr
    BUILD/tests/vectors/vectors_test "$vectors" --neutralised OUT     # replays them; writes the neutralised frames
    tests/vectors/generate.py [--all] --verify OUT                    # reads those with Kafka's parser

kafka-clients 4.4.0 makes everything it speaks; 3.9.2 adds the versions which 4.x dropped (Produce 0-2, Fetch 0-3,
request header v0). Results are cached under .cache/vectors/<hash of the generator and the versions>/, so a repeated
run costs nothing and needs no network. Needs java 17 or newer and maven. KFERRY_VECTORS_SEED changes the seed.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

NEWEST = "4.4.0"
OLDEST = "3.9.2"
HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
ROUNDS = {"quick": 20, "all": 400}


def say(text):
    print(f"vectors: {text}", file=sys.stderr, flush=True)


def fail(text):
    say(text)
    sys.exit(1)


def cache_folder():
    digest = hashlib.sha256(f"{NEWEST} {OLDEST}".encode())
    for source in sorted((HERE / "java").rglob("*")):
        if source.is_file() and "target" not in source.parts:
            digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return CHECKOUT / ".cache" / "vectors" / digest.hexdigest()[:16]


def run(command, remedy):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        fail(remedy)
    return done.stdout.strip()


def compiled(cache, version):
    """The class path of the generator, built against one version of kafka-clients."""
    built = cache / version
    listing = built / "classpath"
    if not listing.exists():
        for tool, package in (("java", "openjdk-17-jdk-headless"), ("mvn", "maven")):
            if not shutil.which(tool):
                fail(f"{tool} is missing: install {package} (apt-get install openjdk-17-jdk-headless maven)")
        say(f"building the generator with kafka-clients {version}")
        built.mkdir(parents=True, exist_ok=True)
        run(["mvn", "-q", "-B", "-f", str(HERE / "java" / "pom.xml"), "compile", "dependency:build-classpath",
             f"-Dkafka.version={version}", f"-Doutput.directory={built}", f"-Dmdep.outputFile={built}/classpath.new",
             "-Dmdep.includeScope=runtime"],
            "maven failed: the first run needs Maven Central, or ~/.m2 filled by an earlier one")
        os.replace(built / "classpath.new", listing)
    return f"{built}/classes:{listing.read_text().strip()}"


def java(classpath, main, *arguments):
    if not shutil.which("java"):
        fail("java is missing: install openjdk-17-jdk-headless")
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx2g", "-cp", classpath, main, *arguments]


def generate(cache, tier, seed):
    result = cache / f"vectors-{tier}-{seed}.txt"
    if result.exists():
        say(f"cached: {result}")
        return result
    begun = time.monotonic()
    new, old = cache / f"new-{tier}-{os.getpid()}", cache / f"old-{tier}-{os.getpid()}"
    remedy = "the generator failed: its message above says what Kafka has that kferry has not"
    arguments = (str(seed), str(ROUNDS[tier]), tier)
    for version, path, extra in ((NEWEST, new, ()), (OLDEST, old, (str(new),))):
        classpath = compiled(cache, version)
        counted = run(java(classpath, "vectors.Generator", str(path), *arguments, *extra), remedy)
        say(f"kafka-clients {version}: {counted}")
    with open(new, "ab") as whole, open(old, "rb") as rest:
        shutil.copyfileobj(rest, whole)
    old.unlink()
    os.replace(new, result)
    say(f"{result.stat().st_size >> 20} MiB in {time.monotonic() - begun:.0f} s")
    return result


def main():
    parser = argparse.ArgumentParser(description="makes test vectors with Kafka's own classes")
    parser.add_argument("--all", action="store_true", help="the full random matrix")
    parser.add_argument("--verify", metavar="FILE", help="let Kafka's parser judge what vectors_test wrote")
    options = parser.parse_args()
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    vectors = generate(cache, "all" if options.all else "quick", int(os.environ.get("KFERRY_VECTORS_SEED", "1")))
    if options.verify:
        done = subprocess.run(java(compiled(cache, NEWEST), "vectors.Verifier", str(vectors), options.verify), check=False)
        sys.exit(done.returncode)
    print(vectors)


if __name__ == "__main__":
    main()
