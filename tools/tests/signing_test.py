"""Signing: what is written, that openssl finds it good, and what is refused."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilotlight_export import CannotSign, sign
from pilotlight_export.__main__ import main
from pilotlight_export.bundle import digest_of
from pilotlight_export.signing import pae

KINDS = {"Ed25519": ["-algorithm", "ed25519"],
         "P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}


def openssl(*arguments, given=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def make_key(tmp_path):
    def call(*options, name="key.pem"):
        openssl("genpkey", *options, "-out", tmp_path / name)
        return tmp_path / name

    return call


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "digits.tar"
    path.write_bytes(b"the model")
    return path


def read(path):
    """(payload, statement, signature) of an envelope with one signature."""
    envelope = json.loads(Path(path).read_text())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.b64decode(envelope["payload"], validate=True)
    signature, = envelope["signatures"]
    return payload, json.loads(payload), signature


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_finds_the_signature_good(bundle, make_key, tmp_path, kind):
    key = make_key(*KINDS[kind])
    signed = sign(bundle, key)
    assert signed.path == f"{bundle}.sig" and signed.digest == digest_of(bundle)
    payload, statement, signature = read(signed.path)
    assert statement == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "digits.tar", "digest": {"sha256": hashlib.sha256(b"the model").hexdigest()}}],
        "predicateType": "https://pilotlight.dev/model/v1", "predicate": {}}
    der = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    assert signature["keyid"] == signed.key_id == "sha256:" + hashlib.sha256(der).hexdigest()
    assert signed.public_key.encode() == openssl("pkey", "-in", key, "-pubout")
    (tmp_path / "pub.pem").write_text(signed.public_key)
    (tmp_path / "pae").write_bytes(pae(payload))
    (tmp_path / "raw.sig").write_bytes(base64.b64decode(signature["sig"]))
    files = ["-in", tmp_path / "pae", "-sigfile", tmp_path / "raw.sig", "-pubin", "-inkey", tmp_path / "pub.pem"]
    openssl("pkeyutl", "-verify", "-rawin", *(["-digest", "sha256"] if kind == "P-256" else []), *files)


def test_the_encoding_is_that_of_dsse():
    assert pae(b"hello") == b"DSSEv1 28 application/vnd.in-toto+json 5 hello"


def test_a_folder_is_signed_by_the_digest_that_sha256sum_gives(make_key, tmp_path):
    folder = tmp_path / "bundle"
    for name, data in {"model.yaml": "a", "model.pt": "b", "golden/c/inputs": "c", "golden.d": "d", "größe": "e"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(data)
    lines = subprocess.run("find . -type f | sed 's,^./,,' | LC_ALL=C sort | xargs sha256sum", shell=True, cwd=folder,
                           capture_output=True, check=True).stdout
    signed = sign(f"{folder}/", make_key(*KINDS["Ed25519"]))
    assert signed.path == f"{folder}.sig"
    assert signed.digest == "sha256:" + hashlib.sha256(lines).hexdigest()
    assert read(signed.path)[1]["subject"][0]["name"] == "bundle"


@pytest.mark.parametrize("spoil, says", [
    (lambda folder: (folder / "link").symlink_to("model.yaml"), "link"),
    (lambda folder: (folder / "link").symlink_to("."), "link"),
    (lambda folder: os.mkfifo(folder / "pipe"), "pipe"),
    (lambda folder: (folder / "model.yaml").unlink(), "empty"),
], ids=["link", "link to a folder", "pipe", "empty"])
def test_a_folder_that_pods_refuse_is_not_signed(make_key, tmp_path, spoil, says):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.yaml").write_text("a")
    spoil(folder)
    with pytest.raises(CannotSign, match=says):
        sign(folder, make_key(*KINDS["Ed25519"]))
    assert not Path(f"{folder}.sig").exists()


def test_the_signature_may_be_written_elsewhere(bundle, make_key, tmp_path):
    assert sign(bundle, make_key(*KINDS["Ed25519"]), tmp_path / "new" / "s").path == str(tmp_path / "new" / "s")
    assert not Path(f"{bundle}.sig").exists()


def test_an_encrypted_key_takes_its_passphrase_from_the_environment(bundle, make_key, monkeypatch):
    key = make_key(*KINDS["P-256"], "-aes256", "-pass", "pass:secret phrase")
    monkeypatch.setenv("PILOTLIGHT_KEY_PASSPHRASE", "secret phrase")
    assert sign(bundle, key).key_id.startswith("sha256:")
    monkeypatch.setenv("PILOTLIGHT_KEY_PASSPHRASE", "wrong one")
    with pytest.raises(CannotSign, match="passphrase") as caught:
        sign(bundle, key)
    assert "wrong one" not in str(caught.value)
    monkeypatch.delenv("PILOTLIGHT_KEY_PASSPHRASE")
    monkeypatch.setattr(sys, "stdin", open(os.devnull))
    with pytest.raises(CannotSign, match="nobody to ask"):
        sign(bundle, key)


def test_an_encrypted_key_has_its_passphrase_asked_for_at_a_terminal(bundle, make_key, monkeypatch):
    key = make_key(*KINDS["Ed25519"], "-aes256", "-pass", "pass:secret")
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("getpass.getpass", lambda prompt: "secret" if str(key) in prompt else "")
    assert sign(bundle, key)


@pytest.mark.parametrize("options", [
    ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ["-algorithm", "ed448"],
], ids=["RSA", "P-384", "Ed448"])
def test_keys_of_other_kinds_are_refused(bundle, make_key, options):
    with pytest.raises(CannotSign, match="neither an Ed25519 nor an ECDSA P-256 key"):
        sign(bundle, make_key(*options))
    assert not Path(f"{bundle}.sig").exists()


def test_what_is_no_private_key_is_refused_and_not_shown(bundle, make_key, tmp_path):
    public = tmp_path / "public.pem"
    openssl("pkey", "-in", make_key(*KINDS["Ed25519"]), "-pubout", "-out", public)
    with pytest.raises(CannotSign, match="is a public key"):
        sign(bundle, public)
    (tmp_path / "garbage").write_text("s3cret")
    with pytest.raises(CannotSign, match="not a private key") as caught:
        sign(bundle, tmp_path / "garbage")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(CannotSign, match="cannot be read"):
        sign(bundle, tmp_path / "none.pem")
    with pytest.raises(CannotSign, match="cannot be read"):
        sign(tmp_path / "none.tar", make_key(*KINDS["Ed25519"]))


def test_without_the_package_it_says_which_to_install(bundle, make_key, monkeypatch):
    key = make_key(*KINDS["Ed25519"])
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(CannotSign, match="cryptography is not installed") as caught:
        sign(bundle, key)
    assert "apt install python3-cryptography" in str(caught.value)


def test_the_command_prints_what_the_spec_wants(bundle, make_key, capsys):
    import yaml

    key = make_key(*KINDS["Ed25519"])
    assert main(["sign", str(bundle), "--key", str(key)]) == 0
    said = capsys.readouterr().out
    assert digest_of(bundle) in said
    spec = yaml.safe_load(said[said.index("spec:"):])
    assert spec["spec"]["model"]["signature"]["publicKeys"] == [openssl("pkey", "-in", key, "-pubout").decode()]
    assert read(f"{bundle}.sig")[2]["keyid"] in said


def test_the_command_explains_what_it_refuses(bundle, tmp_path, capsys):
    assert main(["sign", str(bundle), "--key", str(tmp_path / "none")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("CannotSign: ") and "what to do:" in said
