"""Writes an initramfs: a cpio archive in the kernel's "newc" format (Documentation/driver-api/early-userspace), made of
programs with the shared libraries that ldd names, and of any other files."""

import pathlib
import re
import stat
import subprocess

# The merged layout of the distribution: /bin, /lib and /sbin are links into /usr.
LINKS = {"bin": "usr/bin", "sbin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}
TRAILER = "TRAILER!!!"


class Initramfs:
    def __init__(self):
        self.entries = {}  # path inside, without the leading slash: (mode, bytes)
        self.libraries_of = set()
        for folder in ("dev", "proc", "sys", "tmp", "etc", "root"):
            self.folder(folder)
        for name, target in LINKS.items():
            self.link(name, target)
        self.entries["dev/console"] = (stat.S_IFCHR | 0o600, (5, 1))

    def folder(self, path):
        for parent in reversed([pathlib.PurePosixPath(path), *pathlib.PurePosixPath(path).parents]):
            if str(parent) != ".":
                self.entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))

    def link(self, path, target):
        self.folder(pathlib.PurePosixPath(target))
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def write(self, path, data, mode=0o644):
        inside = path.lstrip("/")
        first, _, rest = inside.partition("/")
        if first in LINKS:
            inside = f"{LINKS[first]}/{rest}"
        self.folder(str(pathlib.PurePosixPath(inside).parent))
        self.entries[inside] = (stat.S_IFREG | mode, data)

    def copy(self, source, path):
        source = pathlib.Path(source)
        self.write(path, source.read_bytes(), 0o755 if source.stat().st_mode & 0o111 else 0o644)

    def program(self, source, path=None):
        """With its libraries; `path` where it is not to lie in the same place."""
        self.copy(source, path or str(source))
        self.libraries(source)

    def libraries(self, source):
        shown = subprocess.run(["ldd", str(source)], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(?:=>\s*|^\s*)(/\S+) \(0x", shown, re.MULTILINE):
            if library not in self.libraries_of:
                self.libraries_of.add(library)
                self.copy(library, library)

    def archive(self):
        data = bytearray()
        for number, (path, (mode, content)) in enumerate(self.entries.items(), 1):
            device = content if isinstance(content, tuple) else (0, 0)
            append(data, number, path, mode, b"" if isinstance(content, tuple) else content, device)
        append(data, 0, TRAILER, 0, b"", (0, 0))
        return bytes(data)


def append(data, number, path, mode, content, device):
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
    data += b"070701" + b"".join(b"%08x" % field for field in fields) + name
    data += bytes(-len(data) % 4)
    data += content
    data += bytes(-len(data) % 4)
