"""Certificates of the laboratory, made by the openssl command: an authority, and what it signs, on EC P-256 unless
told otherwise. Stores are written in the three kinds that Java and kferry know."""

import datetime
import shutil
import subprocess

PASSWORD = "lab-store-secret"


def _openssl(*words, stdin=None):
    command = ["openssl", *map(str, words)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, input=stdin)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _moment(days):
    """As `openssl ca` takes times: so many days from now."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


class Certificate:
    """One certificate with its key; what stores there are of it is written when asked for."""

    def __init__(self, authority, directory, name):
        self.authority, self.name = authority, name
        self.certificate, self.key = directory / f"{name}.crt", directory / f"{name}.key"
        self._directory = directory

    def pem(self):
        """Key and certificate in one file."""
        path = self._directory / f"{self.name}.pem"
        if not path.exists():
            path.write_text(self.key.read_text() + self.certificate.read_text())
        return path

    def pkcs12(self):
        path = self._directory / f"{self.name}.p12"
        if not path.exists():
            _openssl("pkcs12", "-export", "-in", self.certificate, "-inkey", self.key, "-name", self.name,
                     "-passout", f"pass:{PASSWORD}", "-out", path)  # fmt: skip
        return path

    def jks(self):
        path = self._directory / f"{self.name}.jks"
        if not path.exists():
            _keytool("-importkeystore", "-srckeystore", self.pkcs12(), "-srcstorepass", PASSWORD,
                     "-srcstoretype", "PKCS12", "-destkeystore", path, "-deststoretype", "JKS",
                     "-deststorepass", PASSWORD)  # fmt: skip
        return path


def _keytool(*words):
    command = ["keytool", "-noprompt", *map(str, words)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")


class Authority:
    """A certificate authority in a directory of its own."""

    def __init__(self, directory, name="Lab"):
        self.directory, self.name = directory, name
        directory.mkdir(parents=True)
        self.certificate, self._key = directory / "authority.crt", directory / "authority.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 30,
                 "-subj", f"/O=kferry/CN={name} Authority", "-keyout", self._key, "-out", self.certificate,
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
        (directory / "index.txt").touch()
        (directory / "issued").mkdir()
        self._made = {}
        self._configuration = directory / "ca.cnf"
        self._configuration.write_text(
            "[ca]\ndefault_ca = lab\n[lab]\n"
            f"database = {directory}/index.txt\nnew_certs_dir = {directory}/issued\nrand_serial = yes\n"
            f"certificate = {self.certificate}\nprivate_key = {self._key}\ndefault_md = sha256\n"
            "default_crl_days = 30\nunique_subject = no\npolicy = any\ncopy_extensions = copy\n"
            "[any]\norganizationName = optional\norganizationalUnitName = optional\ncommonName = supplied\n"
        )

    def issue(self, name, names="", subject=None, rsa=False, days=(-1, 20), v1=False):
        """A certificate for `names` such as `IP:10.0.0.1,DNS:a.example`, valid from and to so many days from now.

        `v1`: without extensions, and so of X.509's version 1.
        """
        if name in self._made:
            return self._made[name]
        made = Certificate(self, self.directory, name)
        request = self.directory / f"{name}.csr"
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        extension = ["-addext", f"subjectAltName={names}"] if names else ["-addext", "keyUsage=digitalSignature"]
        extension = [] if v1 else extension
        _openssl("req", "-newkey", *kind, "-nodes", "-subj", subject or f"/O=kferry/OU=lab/CN={name}",
                 "-keyout", made.key, "-out", request, *extension)  # fmt: skip
        _openssl("ca", "-batch", "-notext", "-config", self._configuration, "-in", request, "-out", made.certificate,
                 "-startdate", _moment(days[0]), "-enddate", _moment(days[1]))  # fmt: skip
        self._made[name] = made
        return made

    def revoke(self, certificate):
        _openssl("ca", "-batch", "-config", self._configuration, "-revoke", certificate.certificate)

    def revocations(self):
        """The list of what has been revoked so far."""
        path = self.directory / "revoked.crl"
        _openssl("ca", "-batch", "-config", self._configuration, "-gencrl", "-out", path)
        return path

    def jks(self):
        """The authority alone, as a trust store of Java's."""
        path = self.directory / "authority.jks"
        if not path.exists():
            _keytool("-importcert", "-alias", "authority", "-file", self.certificate, "-keystore", path,
                     "-storetype", "JKS", "-storepass", PASSWORD)  # fmt: skip
        return path

    def pkcs12(self):
        path = self.directory / "authority.p12"
        if not path.exists():
            _keytool("-importcert", "-alias", "authority", "-file", self.certificate, "-keystore", path,
                     "-storetype", "PKCS12", "-storepass", PASSWORD)  # fmt: skip
        return path


def replace(path, source):
    """Puts a copy of `source` in the place of `path` at once, as those do who renew certificates."""
    fresh = path.with_suffix(".fresh")
    shutil.copy(source, fresh)
    fresh.rename(path)
