"""What does not prove itself never serves, and status and an Event say why and what to do."""

from pathlib import Path

import bundles
import pytest
from kube import condition, is_true, revision, settled
from pilotlight_export import sign

from conftest import manifest

WRONG_DIGEST = "sha256:" + "0" * 64


def never_ready(model):
    assert not is_true(model, "Ready"), "a model that did not prove itself was called ready"


@pytest.mark.parametrize("name, make, digest, reason, says", [
    ("wrong-digest", lambda folder: bundles.scale(folder, 2.0), WRONG_DIGEST, "DigestMismatch", "sha256:"),
    ("not-torchscript", lambda folder: bundles.checkpoint(), None, "UnsupportedFormat", "TorchScript"),
    ("golden-mismatch", bundles.with_wrong_answers, None, "GoldenMismatch", "y[0,1]"),
], ids=["wrong digest", "not TorchScript", "golden mismatch"])
def test_a_revision_that_fails_its_proof_never_serves(kube, store, folder, deploy, name, make, digest, reason, says):
    deploy(name, store.put(f"{name}.tar", make(folder)), digest=digest, wait=False)
    model = kube.until("modeldeployment", name, lambda m: settled(m, "Stalled"), always=never_ready)
    assert condition(model, "Stalled")["reason"] == reason
    assert condition(model, "Validated")["status"] == "False"
    assert condition(model, "UpToDate")["status"] == "False"
    failed = model["status"]["revisions"][0]
    assert failed["phase"] == "Failed" and failed["failure"]["reason"] == reason
    assert says in failed["failure"]["message"]
    assert failed["failure"]["remedy"]
    event = kube.event(name, reason)
    assert event["type"] == "Warning"
    assert says in event["message"] and failed["failure"]["remedy"][:40] in event["message"]
    pods = kube.list("pods", f"app.kubernetes.io/instance={name}")
    most = 2 if reason == "GoldenMismatch" else 1  # a second pod confirms what a bad node might have caused
    assert len(pods) <= most and all(p["metadata"]["labels"]["pilotlight.dev/traffic"] == "none" for p in pods)


def test_a_file_that_is_missing_is_waited_for(kube, store, folder, deploy):
    deploy("missing", store.uri("later.tar"), wait=False)

    def waits(model):
        return model.get("status", {}).get("rollout", {}).get("reason") == "NotFound"

    model = kube.until("modeldeployment", "missing", waits, always=never_ready)
    assert "404" in model["status"]["rollout"]["message"]
    assert not is_true(model, "Stalled") and is_true(model, "Reconciling")
    event = kube.event("missing", "NotFound")
    assert event["type"] == "Warning" and "404" in event["message"]
    store.put("later.tar", bundles.scale(folder, 2.0))
    kube.until("modeldeployment", "missing", lambda m: settled(m, "UpToDate"), 120)
    assert store.asked["later.tar"] >= 2


def test_a_failed_revision_does_not_disturb_what_serves(kube, store, folder, deploy):
    good = deploy("keeps-serving", store.put("scale-2.tar", bundles.scale(folder, 2.0)))
    stable = good["status"]["stableRevision"]
    bad = store.put("golden-mismatch.tar", bundles.with_wrong_answers(folder))
    kube.apply(manifest("keeps-serving", {"model": {"uri": bad}}))

    def still_ready(model):
        assert is_true(model, "Ready")

    model = kube.until("modeldeployment", "keeps-serving", lambda m: settled(m, "Stalled"), always=still_ready)
    assert model["status"]["stableRevision"] == stable
    assert condition(model, "UpToDate")["reason"] == "RevisionFailed"


def test_only_what_a_trusted_key_has_signed_serves(kube, store, folder, tmp_path, deploy):
    """Signed: it serves, and status names the key. Changed afterwards, or signed by somebody else: it does not, and what
    served goes on. With a warning only: it serves, and status says what is amiss."""
    key = bundles.key(tmp_path, "mine")
    demand = {"publicKeys": [key.with_suffix(".pub").read_text()]}

    def put(name, data, by):
        (tmp_path / name).write_bytes(data)
        uri = store.put(name, data)
        store.put(f"{name}.sig", Path(sign(tmp_path / name, by).path).read_bytes())
        return uri

    good, other = bundles.scale(folder, 2.0), bundles.scale(folder, 3.0)
    model = deploy("signed", put("signed.tar", good, key), signature=demand)
    mine = sign(tmp_path / "signed.tar", key).key_id
    assert revision(model)["proof"]["signature"] == {"keyId": mine, "subject": "signed.tar"}
    assert mine in kube.run("describe", "modeldeployment", "signed")
    stable = model["status"]["stableRevision"]

    def still_serves(model):
        assert is_true(model, "Ready")

    stranger = put("stranger.tar", other, bundles.key(tmp_path, "stranger"))
    unsigned = store.put("unsigned.tar", other)
    changed = put("changed.tar", good, key)
    store.put("changed.tar", other)
    for uri, reason, says in [(stranger, "SignatureInvalid", mine), (unsigned, "SignatureMissing", "404"),
                              (changed, "SignatureInvalid", "but the model has sha256:")]:
        kube.apply(manifest("signed", {"model": {"uri": uri, "signature": demand}}))
        model = kube.until("modeldeployment", "signed", lambda m: settled(m, "Stalled"), always=still_serves)
        assert condition(model, "Stalled")["reason"] == reason and model["status"]["stableRevision"] == stable
        assert says in model["status"]["revisions"][0]["failure"]["message"]
        assert kube.event("signed", reason)["type"] == "Warning"

    kube.apply(manifest("signed", {"model": {"uri": unsigned, "signature": {**demand, "policy": "Warn"}}}))
    model = kube.until("modeldeployment", "signed", lambda m: settled(m, "UpToDate"), always=still_serves)
    proof = revision(model)["proof"]
    assert "signature" not in proof and any("SignatureMissing" in warning for warning in proof["warnings"])
