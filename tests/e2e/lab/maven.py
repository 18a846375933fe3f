"""Jars fetched by Maven, once, with all that they need."""

import fcntl
import shutil
import subprocess

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kferry</groupId><artifactId>lab</artifactId><version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{done.stdout[-4000:]}")


def _dependency(coordinates):
    group, artifact, version = coordinates.split(":")
    return (
        f"    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
    )


def locked(cache):
    """A lock on that directory, made if need be: runs of the tests at the same time wait for each other."""
    cache.mkdir(parents=True, exist_ok=True)
    lock = open(cache / "lock", "w", encoding="ascii")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def fetch(cache, dependencies):
    """The directory of the jars of `dependencies`, each GROUP:ARTIFACT:VERSION. The caller holds the lock."""
    jars = cache / "jars"
    if jars.is_dir():
        return jars
    fresh = cache / "jars.fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    pom = cache / "pom.xml"
    pom.write_text(_POM.format(dependencies="\n".join(map(_dependency, dependencies))), encoding="utf-8")
    run(
        ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime"]
        + [f"-DoutputDirectory={fresh}"]
    )
    fresh.rename(jars)
    return jars
