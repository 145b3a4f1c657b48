"""run.sh with kubectl and training played by scripts: what it does in which order, where it stops, and how it ends."""

import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
STAGES = ["train", "sign", "verify", "upload", "apply", "wait"]
MODEL = b"the model"
DIGEST = hashlib.sha256(MODEL).hexdigest()
STORED = f"model-{DIGEST[:12]}.tar"

# Notes what it is called with, and fails if it is told to: KUBECTL_<verb> is its status.
KUBECTL = """#!/bin/bash
echo "kubectl $*" >>"$CALLS"
verb=$1; [[ $verb != pilotlight ]] || verb=$2
status=KUBECTL_$verb
exit "${!status:-0}"
"""


@pytest.fixture
def run(tmp_path):
    """run(VARIABLE=value…) runs run.sh and returns (how it ended, what it called)."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/kubectl").write_text(KUBECTL)
    (tmp_path / "bin/kubectl").chmod(0o755)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key.pem"], check=True, capture_output=True)
    calls = tmp_path / "calls"

    def call(**changes):
        calls.write_text("")
        settings = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls),
            "BUNDLE": str(tmp_path / "out/model.tar"), "KEY": str(tmp_path / "key.pem"), "NAME": "reader",
            "BUNDLE_URI": "https://models.example/reader/",
            "TRAIN": f'echo train >>"$CALLS"; printf "{MODEL.decode()}" >"$BUNDLE"',
            "SIGN": 'echo sign >>"$CALLS"; echo signature >"$BUNDLE.sig"',
            "UPLOAD": 'echo "upload $(basename "$FILE") $FILE_NAME" >>"$CALLS"', **changes}
        done = subprocess.run([HERE / "run.sh"], env={key: value for key, value in settings.items() if value is not None},
                              capture_output=True, text=True, timeout=500, cwd=tmp_path)
        return done, calls.read_text().splitlines()

    call.bundle = tmp_path / "out/model.tar"
    call.folder = tmp_path
    return call


def test_each_stage_follows_the_one_before(run):
    done, calls = run(TIMEOUT="90s", LEVEL="Contract")
    assert done.returncode == 0, done.stderr
    assert re.findall("^── (.*)$", done.stderr, re.M) == STAGES
    bundle = run.bundle
    assert calls == [
        "train", "sign",
        f"kubectl pilotlight verify {bundle} --minimum-level Contract --digest sha256:{DIGEST} --public-key {bundle}.pem",
        f"upload model.tar.sig {STORED}.sig", f"upload model.tar {STORED}",
        f"kubectl apply -f {bundle}.yaml",
        "kubectl pilotlight wait reader --timeout 90s"]


def test_what_is_applied_names_these_bytes_and_whose_they_must_be(run):
    run()
    document = yaml.safe_load(pathlib.Path(f"{run.bundle}.yaml").read_text())
    assert document["metadata"]["name"] == "reader"
    model = document["spec"]["model"]
    assert model["uri"] == f"https://models.example/reader/{STORED}"
    assert model["digest"] == f"sha256:{DIGEST}"
    assert model["signature"]["publicKeys"] == [pathlib.Path(f"{run.bundle}.pem").read_text()]


@pytest.mark.parametrize("stage, settings, status", [
    ("train", {"TRAIN": "exit 7"}, 7),
    ("train", {"TRAIN": "false; true"}, 1),
    ("train", {"TRAIN": "true"}, 1),  # and wrote nothing
    ("sign", {"SIGN": "exit 3"}, 3),
    ("sign", {"KEY": "/not/there.pem"}, 1),
    ("verify", {"KUBECTL_verify": "1"}, 1),
    ("verify", {"KUBECTL_verify": "2"}, 2),
    ("upload", {"UPLOAD": "exit 5"}, 5),
    ("apply", {"KUBECTL_apply": "1"}, 1),
    ("apply", {"MANIFEST": "/dev/stdin"}, None),
])
def test_the_first_stage_that_fails_is_the_last_one(run, stage, settings, status):
    if "MANIFEST" in settings:
        settings = {"MANIFEST": str(run.folder / "manifest.yaml")}
        (run.folder / "manifest.yaml").write_text("name: ${NAME}\nuri: ${URL}\n")
    done, _ = run(**settings)
    assert done.returncode == status if status else done.returncode != 0
    assert re.findall("^── (.*)$", done.stderr, re.M) == STAGES[:STAGES.index(stage) + 1]
    assert f"run.sh: stopped at {stage}, status {done.returncode}" in done.stderr


@pytest.mark.parametrize("status", [0, 1, 2])
def test_it_ends_as_the_wait_ended(run, status):
    done, calls = run(KUBECTL_wait=str(status))
    assert done.returncode == status
    assert (calls[-1] == "kubectl pilotlight status reader") == (status != 0), "what stands in the way is shown"
    assert ("stopped at wait" in done.stderr) == (status != 0)


def test_it_ends_as_the_wait_ended_even_if_status_cannot_be_shown(run):
    assert run(KUBECTL_wait="2", KUBECTL_status="1")[0].returncode == 2


@pytest.mark.parametrize("missing", ["BUNDLE_URI", "UPLOAD", "KEY"])
def test_nothing_begins_while_something_is_not_set(run, missing):
    done, calls = run(**{missing: None})
    assert done.returncode == 2 and f"{missing} is not set" in done.stderr
    assert not calls


def test_a_bundle_of_an_earlier_run_is_not_deployed(run):
    assert run()[0].returncode == 0
    done, calls = run(TRAIN="true")
    assert done.returncode != 0 and "stopped at train" in done.stderr
    assert not calls


@pytest.mark.parametrize("passphrase", [None, "open sesame"])
def test_its_own_signing_is_the_exporter_s(run, passphrase):
    key = run.folder / "signing.pem"
    protected = ["-aes256", "-pass", f"pass:{passphrase}"] if passphrase else []
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", *protected, "-out", key], check=True, capture_output=True)
    done, _ = run(SIGN=None, KEY=str(key), PILOTLIGHT_KEY_PASSPHRASE=passphrase)
    assert done.returncode == 0, done.stderr
    statement = json.loads(base64.b64decode(json.loads(pathlib.Path(f"{run.bundle}.sig").read_text())["payload"]))
    assert statement["subject"][0]["digest"]["sha256"] == DIGEST


def test_the_workflow_sets_only_what_run_sh_knows():
    workflow = yaml.safe_load((HERE / "workflow.yaml").read_text())
    job, = workflow["jobs"].values()
    step, = [step for step in job["steps"] if "run.sh" in step.get("run", "")]
    known = set(re.findall(r"[A-Z_]{3,}", (HERE / "run.sh").read_text()))
    assert set(step["env"]) <= known | {"KUBECONFIG"}
    assert {"BUNDLE_URI", "UPLOAD", "KEY"} <= set(step["env"])


# The store for trying it.
STORE_KUBECTL = """#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
  apply*) cat >"$CALLS.$(wc -l <"$CALLS")" ;;
  'get service'*) echo -n 10.0.0.7 ;;
  get*) exit "${EXISTS:-1}" ;;
esac
"""


@pytest.fixture
def store(tmp_path):
    """store(argument…) runs store.sh and returns (how it ended, what it called, what was applied, in order)."""
    (tmp_path / "kubectl").write_text(STORE_KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    calls = tmp_path / "calls"

    def call(*arguments, **changes):
        for file in tmp_path.glob("calls*"):
            file.unlink()
        calls.write_text("")
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls), **changes}
        done = subprocess.run([HERE / "store.sh", *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120)
        applied = sorted(tmp_path.glob("calls.*"), key=lambda file: int(file.suffix[1:]))
        return done, calls.read_text().splitlines(), [list(yaml.safe_load_all(file.read_text())) for file in applied]

    return call


def test_the_store_keeps_each_file_beside_the_others(store, tmp_path):
    (tmp_path / "model.tar").write_bytes(b"\0the model")
    done, calls, applied = store("put", tmp_path / "model.tar", "model-1.tar", EXISTS="0")
    assert done.returncode == 0 and not done.stdout, done.stderr
    (files,), (program,), server = applied
    assert files["metadata"]["name"] == "models"
    assert base64.b64decode(files["binaryData"]["model-1.tar"]) == b"\0the model"
    assert "--field-manager pipeline-model-1.tar " in calls[0] and "--server-side" in calls[0], "or it would take the others out"
    assert base64.b64decode(program["binaryData"]["serve.pl"]) == (HERE.parent / "digits/serve.pl").read_bytes()
    assert server[0]["spec"]["template"]["metadata"]["annotations"]["content"] == "model-1.tar", "it starts again, with the file"
    assert "rollout status deployment/models" in calls[-1]


@pytest.mark.parametrize("exists", [True, False])
def test_the_store_says_where_it_is_and_is_made_if_it_is_not_there(store, exists):
    done, calls, applied = store("uri", EXISTS="0" if exists else "1")
    assert (done.returncode, done.stdout) == (0, "http://10.0.0.7\n"), done.stderr
    assert bool(applied) == (not exists)
    assert ("create configmap models" in calls) == (not exists)


def test_the_store_tells_how_it_is_called(store):
    done, calls, _ = store("get")
    assert done.returncode == 2 and "store.sh put FILE NAME" in done.stderr and "uri" in done.stderr
    assert not calls
