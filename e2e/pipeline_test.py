"""examples/pipeline on a real cluster: a script trains, signs, verifies, uploads and applies, and its status tells whether the
canary was accepted (0), rejected (1) or not yet decided (2)."""

import json
import os
import shutil
import subprocess

import bundles
import pytest
from canary_test import ANALYSIS
from kube import in_phase, settled
from load import Load
from unnoticed import BODY, assert_unnoticed

from conftest import CHECKOUT, manifest

MODEL = {"uri": "${URI}", "digest": "${DIGEST}", "signature": {"publicKeys": ["${PUBLIC_KEY}"]}}
STEPS = [{"weight": 20, "pause": "3s"}, {"weight": 50, "pause": "3s"}]


@pytest.fixture
def pipeline(kube, store, folder, tmp_path):
    """pipeline(bundle, timeout, steps) runs run.sh with a training that leaves these bytes, and returns how it ended. What it uploads,
    the store serves."""
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(os.environ["KUBECONFIG"], kubeconfig)
    subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "config", "set-context", "--current", f"--namespace={kube.namespace}"],
                   check=True, capture_output=True)
    key = bundles.key(folder, "pipeline")
    store.folder = tmp_path / "uploaded"
    store.folder.mkdir()

    def run(bundle, timeout="4m", steps=STEPS):
        (tmp_path / "trained.tar").write_bytes(bundle)
        rollout = {"strategy": "Canary", "canary": {"steps": steps, "analysis": ANALYSIS}}
        document = manifest("${NAME}", {"model": MODEL, "replicas": 2, "rollout": rollout})
        (tmp_path / "model.yaml").write_text(json.dumps(document))
        settings = {"KUBECONFIG": str(kubeconfig), "NAME": "piped", "MANIFEST": str(tmp_path / "model.yaml"), "KEY": str(key),
                    "BUNDLE": str(tmp_path / "out" / "model.tar"), "BUNDLE_URI": store.uri(""), "TIMEOUT": timeout,
                    "TRAIN": f'cp "{tmp_path}/trained.tar" "$BUNDLE"',
                    "UPLOAD": f'cp "$FILE" "{store.folder}/$FILE_NAME"',
                    "PATH": f"{os.environ.get('PILOTLIGHT_BIN', CHECKOUT / 'build/release/bin')}:{os.environ['PATH']}"}
        return subprocess.run([CHECKOUT / "examples/pipeline/run.sh"], env=os.environ | settings, capture_output=True, text=True,
                              timeout=500)

    yield run
    store.folder = None
    kube.delete("modeldeployment", "piped")


def stable(kube):
    return kube.get("modeldeployment", "piped")["status"]["stableRevision"]


def test_its_status_tells_what_became_of_the_canary(pipeline, kube, folder, figures):
    done = pipeline(bundles.scale(folder, 2.0))
    assert done.returncode == 0, done.stderr
    first = stable(kube)
    kube.until("modeldeployment", "piped", lambda m: settled(m, "UpToDate") and in_phase("Complete")(m))
    with Load(kube.get("service", "piped")["spec"]["clusterIP"], BODY, rate=60) as load:
        load.wait_for(30)
        done = pipeline(bundles.scale(folder, 3.0))
        assert done.returncode == 0, done.stderr
        second = stable(kube)
        assert second != first and in_phase("Settling", "Retiring", "Complete")(kube.get("modeldeployment", "piped"))
        kube.until("modeldeployment", "piped", in_phase("Complete"))

        done = pipeline(bundles.trap(folder, 2.5, "fails"))
        assert done.returncode == 1, done.stderr
        assert stable(kube) == second
        assert "errors" in done.stdout + done.stderr and "stopped at wait, status 1" in done.stderr

        done = pipeline(bundles.scale(folder, 4.0), "5s", [{"weight": 20, "pause": "UntilPromoted"}])
        assert done.returncode == 2, done.stderr
        assert stable(kube) == second and "stopped at wait, status 2" in done.stderr
        factors = {first: 2.0, second: 3.0}
        third = kube.get("modeldeployment", "piped")["status"]["rollout"]["revision"]
        factors[third] = 4.0
    figures.append(f"pipeline: {load}")
    assert_unnoticed(load, factors)
