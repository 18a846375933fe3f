"""The container image, written without a container engine: one layer with the binary, the system's certificate
authorities and the licences. The archive is an OCI image layout with the manifest.json of `docker save` beside it, so
that `docker load`, `podman load` and `skopeo copy oci-archive:` each read it.

Runs as user 65532, needs no writable file and no capability. Sources: OCI image-spec 1.1; Docker image spec 1.2, whose
Healthcheck OCI runtimes ignore. Equal inputs give equal bytes.
"""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile

from progress import Failure

USER = 65532
AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
SECOND = 1_000_000_000  # Docker counts nanoseconds


def add(archive, name, data=None, *, mode=0o644, epoch=0, owner=0):
    """A file, or without data a folder."""
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    entry.size, entry.mode, entry.mtime = len(data or b""), mode, epoch
    entry.uid = entry.gid = owner
    archive.addfile(entry, io.BytesIO(data or b""))


def layer(release, licences):
    """The root filesystem as an uncompressed tar archive."""
    if not AUTHORITIES.exists():
        raise Failure(f"{AUTHORITIES} is missing: install ca-certificates")
    etc = {"passwd": f"root:x:0:0:root:/:/sbin/nologin\nkferry:x:{USER}:{USER}:kferry:/:/sbin/nologin\n",
           "group": f"root:x:0:\nkferry:x:{USER}:\n", "nsswitch.conf": "hosts: files dns\n",
           "hosts": "127.0.0.1 localhost\n::1 localhost\n"}
    files = {f"etc/{name}": text.encode() for name, text in etc.items()}
    files["etc/ssl/certs/ca-certificates.crt"] = AUTHORITIES.read_bytes()
    files["usr/bin/kferry"] = (release.root / "usr/bin/kferry").read_bytes()
    for name in ("copyright", "kferry.cdx.json"):
        files[f"usr/share/doc/kferry/{name}"] = (release.root / "usr/share/doc/kferry" / name).read_bytes()
    files |= {f"usr/share/doc/kferry/{name}": text for name, text in licences.items()}
    # kferry's control socket goes below /run, where a tmpfs or a volume may be mounted.
    folders = {str(parent) for name in files for parent in pathlib.PurePath(name).parents} - {"."}
    owned = {"run/kferry": USER, "etc/kferry": 0, "run": 0}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(folders | set(owned)):
            add(archive, name, mode=0o755, epoch=release.epoch, owner=owned.get(name, 0))
        for name, data in sorted(files.items()):
            mode = 0o755 if name == "usr/bin/kferry" else 0o644
            add(archive, name, data, mode=mode, epoch=release.epoch)
    return raw.getvalue()


def configuration(release, diff_id):
    made = f"{release.made:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "created": made, "architecture": release.architecture, "os": "linux",
        "config": {
            "User": f"{USER}:{USER}", "Entrypoint": ["/usr/bin/kferry"], "Cmd": ["run"], "WorkingDir": "/",
            "Env": ["PATH=/usr/bin"], "ExposedPorts": {"6969/tcp": {}, "8888/tcp": {}}, "StopSignal": "SIGTERM",
            "Healthcheck": {"Test": ["CMD", "/usr/bin/kferry", "health"], "Interval": 10 * SECOND,
                            "Timeout": 5 * SECOND, "StartPeriod": 30 * SECOND, "Retries": 3},
            "Labels": labels(release, made)},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": made, "created_by": "./dev release"}]}


def labels(release, made):
    return {"org.opencontainers.image.title": "kferry", "org.opencontainers.image.version": release.version,
            "org.opencontainers.image.revision": release.commit, "org.opencontainers.image.created": made,
            "org.opencontainers.image.licenses": "GPL-3.0-or-later",
            "org.opencontainers.image.description": "A passthrough proxy for Apache Kafka"}


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def write(release, path, licences):
    """Writes the archive. Its blobs are the layer, the configuration and the manifest."""
    rootfs = layer(release, licences)
    packed = gzip.compress(rootfs, 9, mtime=0)
    config = compact(configuration(release, digest(rootfs)))
    manifest = compact({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": digest(config), "size": len(config)},
        "layers": [{"mediaType": LAYER_TYPE, "digest": digest(packed), "size": len(packed)}]})
    name = f"kferry:{release.version}"
    index = compact({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{
        "mediaType": MANIFEST_TYPE, "digest": digest(manifest), "size": len(manifest),
        "platform": {"architecture": release.architecture, "os": "linux"},
        "annotations": {"org.opencontainers.image.ref.name": release.version,
                        "io.containerd.image.name": f"docker.io/library/{name}"}}]})
    blobs = {f"blobs/{digest(data).replace(':', '/')}": data for data in (packed, config, manifest)}
    saved = compact([{"Config": f"blobs/{digest(config).replace(':', '/')}", "RepoTags": [name],
                      "Layers": [f"blobs/{digest(packed).replace(':', '/')}"]}])
    with tarfile.open(path, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for folder in ("blobs", "blobs/sha256"):
            add(archive, folder, mode=0o755, epoch=release.epoch)
        for entry, data in sorted({**blobs, "index.json": index, "manifest.json": saved,
                                   "oci-layout": compact({"imageLayoutVersion": "1.0.0"})}.items()):
            add(archive, entry, data, epoch=release.epoch)
