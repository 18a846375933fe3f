"""Certificates for one run, made by openssl."""

import subprocess

from processes import BenchError


def make_certificates(directory):
    """An authority, ca.crt, and a certificate for localhost with its key, side.pem; P-256."""
    if (directory / "side.pem").exists():
        return
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    for command in (
            ["req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=bench CA"],
            ["req", "-x509", *curve, "-keyout", "side.key", "-out", "side.crt", "-subj", "/CN=localhost",
             "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-addext", "basicConstraints=CA:FALSE"]):
        done = subprocess.run(["openssl", *command], cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError("openssl makes no certificate: " + done.stderr.strip())
    (directory / "side.pem").write_text((directory / "side.key").read_text() + (directory / "side.crt").read_text())
