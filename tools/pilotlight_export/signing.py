"""Signatures of bundles, of folders and of model files. docs/bundle.md is the format.

Only here is the package `cryptography` needed, and only once something is signed.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import os
import sys
from dataclasses import dataclass

from .bundle import digest_of, whole_file
from .errors import CannotSign

PASSPHRASE = "PILOTLIGHT_KEY_PASSPHRASE"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Signed:
    """What was signed, and by whom."""

    path: str  # the signature's file
    digest: str  # the model's
    key_id: str  # as a proof names the key: the sha256 of the public one in DER
    public_key: str  # in PEM: what spec.model.signature.publicKeys wants


def sign(path: str | os.PathLike, key: str | os.PathLike, output: str | os.PathLike | None = None) -> Signed:
    """Signs a bundle, a folder of one, or a bare model file; writes `<path>.sig`, or `output`.

    `key` is the file of a private key in PEM, Ed25519 or ECDSA P-256. The passphrase of an encrypted one is taken from the
    environment variable PILOTLIGHT_KEY_PASSPHRASE, or asked for. Raises CannotSign, and has then written nothing.
    """
    path = os.fspath(path).rstrip("/")
    private = private_key(key)
    try:
        digest = digest_of(path)
    except (OSError, ValueError) as error:
        raise CannotSign(f"{path} cannot be read: {error}", "give the bundle, folder or model file that pods will fetch")
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": os.path.basename(os.path.abspath(path)), "digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": "https://pilotlight.dev/model/v1",
        "predicate": {},
    }
    payload = json.dumps(statement, separators=(",", ":")).encode()
    public_key, key_id = _public_half(private)
    output = os.fspath(output or path + ".sig")
    with whole_file(output) as file:
        file.write(json.dumps(envelope(private, payload)).encode() + b"\n")
    return Signed(output, digest, key_id, public_key)


def envelope(private, payload: bytes, payload_type: str = _PAYLOAD_TYPE) -> dict:
    """The DSSE envelope of the payload, signed with a key that private_key() has read."""
    signature = _signature(private, pae(payload, payload_type))
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": _public_half(private)[1], "sig": base64.b64encode(signature).decode()}],
    }


def pae(payload: bytes, payload_type: str = _PAYLOAD_TYPE) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that are signed."""
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


def private_key(path: str | os.PathLike):
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise CannotSign("the Python package cryptography is not installed",
                         "pip install cryptography, or apt install python3-cryptography") from None
    try:
        with open(path, "rb") as file:
            pem = file.read()
    except OSError as error:
        raise CannotSign(f"the key {path} cannot be read: {error.strerror}", "give the file of your private key") from None
    if b"PUBLIC KEY" in pem:
        raise CannotSign(f"{path} is a public key", "sign with the private one; the public one belongs into the spec")
    try:
        try:
            key = load_pem_private_key(pem, None)
        except TypeError:  # it is encrypted
            key = load_pem_private_key(pem, _passphrase(path))
    except (ValueError, UnsupportedAlgorithm):
        # Not the library's words: some of them quote the file.
        raise CannotSign(f"{path} is not a private key in PEM, or its passphrase is another",
                         f"make one with openssl genpkey -algorithm ed25519; give the passphrase in {PASSPHRASE}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey) and not (
            isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
        raise CannotSign(f"{path} is neither an Ed25519 nor an ECDSA P-256 key",
                         "make one with openssl genpkey -algorithm ed25519")
    return key


def _passphrase(path: str | os.PathLike) -> bytes:
    given = os.environ.get(PASSPHRASE)
    if given is None:
        if not sys.stdin.isatty():
            raise CannotSign(f"{path} is encrypted and there is nobody to ask", f"give its passphrase in {PASSPHRASE}")
        given = getpass.getpass(f"Passphrase of {path}: ")
    return given.encode()


def _signature(key, message: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(SHA256()))
    return key.sign(message)


def _public_half(key) -> tuple[str, str]:
    """(PEM, id)"""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    def encoded(encoding) -> bytes:
        return key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)

    return encoded(Encoding.PEM).decode(), "sha256:" + hashlib.sha256(encoded(Encoding.DER)).hexdigest()
