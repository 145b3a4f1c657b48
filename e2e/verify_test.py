"""`kubectl pilotlight verify`: the whole proof on this host, without a cluster, with an exit status for pipelines."""

import base64
import hashlib
import json
import re
import subprocess
import tarfile
from pathlib import Path

import bundles
import pytest
from pilotlight_export import sign

PROVEN, REFUSED, UNDECIDED = 0, 1, 2


@pytest.fixture
def good(folder):
    bundles.scale(folder, 2.0)
    return folder / "scale-2.0.tar"


def test_a_good_bundle_is_proven(verify, good):
    said = verify(good)
    assert said.returncode == PROVEN, said
    assert said.stdout.startswith(f"PROVEN  {good}\n")
    assert re.search(r"answers +\d+ golden cases; worst error", said.stdout)
    assert re.search(r"inputs +x FP32 \[-1,3\]", said.stdout)
    assert "Checking…" in said.stderr and "{" not in said.stderr, "people want no log"


def test_programs_read_json(verify, good):
    said = verify(good, "-o", "json", "--batch-sizes", "1,4")
    assert said.returncode == PROVEN and not said.stderr
    document = json.loads(said.stdout)
    assert document["verdict"] == "Proven" and document["proof"]["level"] == "Answers"
    assert document["digest"].startswith("sha256:") and document["digest"] == document["proof"]["digest"]
    assert [each["batchSize"] for each in document["proof"]["warmup"]] == [1, 4]
    assert verify(good, "--digest", document["digest"]).returncode == PROVEN


@pytest.mark.parametrize("make, arguments, reason, says", [
    (lambda folder: bundles.scale(folder, 2.0), ["--digest", "sha256:" + "0" * 64], "DigestMismatch", "sha256:0000"),
    (lambda folder: bundles.checkpoint(), [], "UnsupportedFormat", "TorchScript"),
    (bundles.with_wrong_answers, [], "GoldenMismatch", "y[0,1]"),
    (lambda folder: b"<html>log in</html>", [], "UnsupportedFormat", ""),
    (lambda folder: bundles.scale(folder, 2.0)[:5000], [], "InvalidBundle", ""),
], ids=["wrong digest", "checkpoint", "golden mismatch", "login page", "truncated"])
def test_a_bad_one_is_refused_and_says_why(verify, folder, make, arguments, reason, says):
    path = folder / "given.tar"
    path.write_bytes(make(folder))
    said = verify(path, *arguments)
    assert said.returncode == REFUSED, said
    assert said.stdout.startswith("REFUSED") and reason in said.stdout and says in said.stdout
    assert re.search(r"to do +\S", said.stdout)
    document = json.loads(verify(path, *arguments, "-o", "json").stdout)
    assert document["verdict"] == "Refused" and document["failure"]["reason"] == reason
    assert "proof" not in document


def test_wrong_answers_pass_with_a_tolerance_that_is_wide_enough(verify, folder):
    path = folder / "given.tar"
    path.write_bytes(bundles.with_wrong_answers(folder))
    said = verify(path, "--relative-tolerance", "0.2", "-o", "json")
    assert said.returncode == PROVEN
    assert json.loads(said.stdout)["proof"]["tolerance"]["relative"] == 0.2


def test_a_bare_file_is_not_enough_for_who_wants_answers(verify, folder):
    import torch

    path = folder / "bare.pt"
    torch.jit.script(bundles.Scale(2.0)).save(path)
    assert verify(path).returncode == PROVEN
    said = verify(path, "--minimum-level", "Answers")
    assert said.returncode == REFUSED and "ProofLevelTooLow" in said.stdout


@pytest.mark.parametrize("options", [(), bundles.P256], ids=["Ed25519", "P-256"])
def test_what_the_exporter_has_signed_is_proven_and_names_the_key(verify, good, tmp_path, options):
    key = bundles.key(tmp_path, "mine", *options)
    signed = sign(good, key)
    said = verify(good, "--public-key", key.with_suffix(".pub"))
    assert said.returncode == PROVEN, said
    assert f"signed by    {signed.key_id}, as {good.name}" in said.stdout
    document = json.loads(verify(good, "--public-key", key.with_suffix(".pub"), "-o", "json").stdout)
    assert document["proof"]["signature"] == {"keyId": signed.key_id, "subject": good.name}
    assert "signature" not in json.loads(verify(good, "-o", "json").stdout)["proof"], "nobody asked"


def test_a_folder_is_signed_as_its_bundle_is(verify, good, tmp_path):
    folder = tmp_path / "bundle"
    with tarfile.open(good) as tar:
        tar.extractall(folder, filter="data")
    key = bundles.key(tmp_path, "mine")
    signed = sign(folder, key)
    said = verify(f"{folder}/", "--public-key", key.with_suffix(".pub"), "-o", "json")
    assert said.returncode == PROVEN, said
    assert json.loads(said.stdout)["digest"] == signed.digest
    (folder / "extra").write_text("x")
    assert "SignatureInvalid" in verify(folder, "--public-key", key.with_suffix(".pub")).stdout


@pytest.mark.parametrize("options, sign_with", [
    ((), ["pkeyutl", "-sign", "-rawin", "-in"]), (bundles.P256, ["pkeyutl", "-sign", "-rawin", "-digest", "sha256", "-in"]),
], ids=["Ed25519", "P-256"])
def test_an_envelope_made_by_hand_with_openssl_is_good(verify, good, tmp_path, options, sign_with):
    key = bundles.key(tmp_path, "mine", *options)
    payload = json.dumps({
        "_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://example.com/any", "predicate": 1,
        "subject": [{"name": "m", "digest": {"sha256": hashlib.sha256(good.read_bytes()).hexdigest()}}]}).encode()
    kind = b"application/vnd.in-toto+json"
    (tmp_path / "pae").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    signature = subprocess.run(["openssl", *sign_with, tmp_path / "pae", "-inkey", key], capture_output=True, check=True)
    (tmp_path / "s").write_text(json.dumps({
        "payloadType": kind.decode(), "payload": base64.urlsafe_b64encode(payload).decode(),
        "signatures": [{"sig": base64.urlsafe_b64encode(signature.stdout).decode()}]}))
    said = verify(good, "--public-key", key.with_suffix(".pub"), "--signature", tmp_path / "s")
    assert said.returncode == PROVEN, said


def test_one_of_several_keys_is_enough(verify, good, tmp_path):
    mine, other = bundles.key(tmp_path, "mine"), bundles.key(tmp_path, "other", *bundles.P256)
    sign(good, mine)
    keys = ["--public-key", other.with_suffix(".pub"), "--public-key", mine.with_suffix(".pub")]
    assert verify(good, *keys).returncode == PROVEN


@pytest.mark.parametrize("spoil, reason, says", [
    (lambda model, key: None, "SignatureMissing", "model.tar.sig' does not exist"),
    (lambda model, key: sign(model, bundles.key(model.parent, "other")), "SignatureInvalid", "none by the key sha256:"),
    (lambda model, key: (sign(model, key), model.write_bytes(model.read_bytes() + b"\0" * 512)), "SignatureInvalid",
     "but the model has sha256:"),
    (lambda model, key: Path(f"{model}.sig").write_text("<html>"), "SignatureInvalid", "is not a DSSE envelope"),
    (lambda model, key: Path(f"{model}.sig").write_text(" " * 70_000), "SignatureInvalid", "65536 bytes"),
], ids=["missing", "another's", "changed", "login page", "large"])
def test_a_model_without_a_good_signature_is_refused(verify, good, tmp_path, spoil, reason, says):
    model = tmp_path / "model.tar"
    model.write_bytes(good.read_bytes())
    key = bundles.key(tmp_path, "mine")
    spoil(model, key)
    said = verify(model, "--public-key", key.with_suffix(".pub"))
    assert said.returncode == REFUSED, said
    assert reason in said.stdout and says in said.stdout and re.search(r"to do +\S", said.stdout)


def test_a_key_that_is_not_taken_is_a_mistake_in_the_command(verify, good, tmp_path):
    rsa = bundles.key(tmp_path, "rsa", "-algorithm", "RSA")
    said = verify(good, "--public-key", rsa.with_suffix(".pub"))
    assert said.returncode == UNDECIDED and "taken are Ed25519 and ECDSA P-256" in said.stderr and not said.stdout
    said = verify(good, "--public-key", rsa)
    assert said.returncode == UNDECIDED and "is a private key" in said.stderr


def test_what_cannot_be_had_is_undecided(verify, tmp_path):
    said = verify(tmp_path / "none.tar")
    assert said.returncode == UNDECIDED and said.stdout.startswith("UNDECIDED") and "NotFound" in said.stdout


@pytest.mark.parametrize("arguments", [
    [], ["--digest", "9f", "m.tar"], ["--minimum-level", "Perfect", "m.tar"], ["--batch-sizes", "0", "m.tar"],
    ["--timeout", "-1", "m.tar"], ["--public-key", "/none", "m.tar"], ["--signature", "m.sig", "m.tar"], ["--output", "yaml", "m.tar"], ["--engine", "/none", "m.tar"],
], ids=" ".join)
def test_a_mistake_in_the_command_is_told_from_a_refusal(verify, arguments):
    said = verify(*arguments)
    assert said.returncode == UNDECIDED and said.stderr and not said.stdout


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return bundles.resnet(tmp_path_factory.mktemp("resnet"))


def test_a_good_resnet_passes_within_the_default_tolerances_at_every_batch_size(verify, resnet):
    said = verify(resnet, "-o", "json", "--batch-sizes", "1,2,3,8,16")
    assert said.returncode == PROVEN, said
    proof = json.loads(said.stdout)["proof"]
    assert proof["level"] == "Answers"
    assert (proof["tolerance"]["absolute"], proof["tolerance"]["relative"]) == (1e-4, 1e-4)
    assert proof["worstError"]["error"] < proof["worstError"]["allowed"] / 5, "the tolerance is no near thing"
    assert [each["batchSize"] for each in proof["warmup"]] == [1, 2, 3, 8, 16]
    tried = {each["graph"]: each for each in proof["graphs"]}
    assert set(tried) == {"plain", "frozen", "optimized"} and all("ms" in each for each in tried.values()), tried


@pytest.mark.parametrize("weight", ["conv1.weight", "layer1.0.bn1.weight", "layer2.0.downsample.0.weight",
                                    "layer4.1.conv2.weight", "layer4.1.bn2.running_var", "fc.weight", "fc.bias"])
def test_a_resnet_with_one_weight_changed_by_a_hundredth_of_its_norm_is_refused(verify, resnet, tmp_path, weight):
    said = verify(bundles.with_a_weight_changed(resnet, weight, 0.01, tmp_path / "changed.tar"), "-o", "json")
    assert said.returncode == REFUSED, said
    assert json.loads(said.stdout)["failure"]["reason"] == "GoldenMismatch"
