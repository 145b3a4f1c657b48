"""A certificate authority for one test run, made with the openssl command."""

import subprocess
from pathlib import Path


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def signing_key() -> str:
    """An Ed25519 private key in PEM."""
    return subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True, capture_output=True, text=True).stdout


class Authority:
    """Everything lies in `folder` as <name>.crt and <name>.key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.crt"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
                 "-subj", "/CN=integration-tests", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                 "-keyout", folder / "ca.key", "-out", self.ca)
        _openssl("genrsa", "-out", folder / "service-account.key", 2048)

    def issue(self, name: str, subject: str, addresses: str = "") -> tuple[Path, Path]:
        """A certificate for a server (with `addresses`, e.g. "IP:127.0.0.1") or a client; gives certificate, key."""
        certificate, key, request = (self.folder / f"{name}.{kind}" for kind in ("crt", "key", "csr"))
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", subject, "-keyout", key, "-out", request)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text("keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
                              "authorityKeyIdentifier=keyid\n"
                              + (f"subjectAltName={addresses}\n" if addresses else ""))
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key",
                 "-CAcreateserial", "-days", 2, "-extfile", extensions, "-out", certificate)
        return certificate, key
