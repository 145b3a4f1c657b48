#!/usr/bin/env python3
"""The digits example on a cluster, from training to predictions. `./dev demo` ends with it.

Needs kubectl with a cluster where the operator runs (KUBECONFIG), and what train.py needs. Can be run again: what
has not changed is not done again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import string
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import torch
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
OUT = CHECKOUT / "build" / "digits"
IMAGE = os.environ.get("PILOTLIGHT_SIDECAR_IMAGE", "pilotlight.dev/sidecar:dev")
NAME = "digits"

sys.path.insert(0, str(HERE))
from endpoint import Endpoint  # noqa: E402
from pictures import drawn  # noqa: E402

PLAIN = not sys.stdout.isatty() or "NO_COLOR" in os.environ


def bold(text: str) -> str:
    return text if PLAIN else f"\033[1m{text}\033[0m"


def title(text: str) -> None:
    print(f"\n{bold('── ' + text + ' ' + '─' * max(0, 96 - len(text)))}", flush=True)


def shown(*command: str, **options) -> str:
    """Prints the command as one would type it, runs it, and prints what it says."""
    print(bold("$ " + " ".join(command)), flush=True)
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, **options)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def kubectl(*arguments: str, text: str | None = None) -> str:
    done = subprocess.run(["kubectl", *arguments], input=text, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def train() -> str:
    """The bundle's digest. Trained again only if something that goes into it has changed."""
    sources = [HERE / "train.py", *sorted((CHECKOUT / "tools" / "pilotlight_export").glob("*.py"))]
    made_of = hashlib.sha256(b"".join(p.read_bytes() for p in sources) + torch.__version__.encode()).hexdigest()
    stamp = OUT / "made-of"
    if not (stamp.is_file() and stamp.read_text() == made_of and (OUT / "digits.tar").is_file()):
        subprocess.run([sys.executable, str(HERE / "train.py"), str(OUT)], check=True)
        stamp.write_text(made_of)
    else:
        print(f"{OUT / 'digits.tar'} is up to date")
    return "sha256:" + hashlib.sha256((OUT / "digits.tar").read_bytes()).hexdigest()


def upload(digest: str) -> str:
    """Puts the bundle where the cluster can fetch it, and returns its URI there."""
    bundle = base64.b64encode((OUT / "digits.tar").read_bytes()).decode()
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "models"}, "binaryData": {"digits.tar": bundle}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "models-program"},
         "data": {"serve.pl": (HERE / "serve.pl").read_text()}},
    ]
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    for each in objects:
        kubectl(*apply, text=json.dumps(each))
    print(kubectl(*apply, text=string.Template((HERE / "models.yaml").read_text()).substitute(IMAGE=IMAGE, DIGEST=digest)),
          end="")
    print(kubectl("rollout", "status", "deployment/models", "--timeout=120s"), end="")
    # Its address rather than its name: a cluster need not have DNS.
    return f"http://{json.loads(kubectl('get', 'service', 'models', '-o', 'json'))['spec']['clusterIP']}/digits.tar"


def deploy(uri: str, digest: str) -> dict:
    """Applies the ModelDeployment, waits until it serves, and returns it."""
    manifest = string.Template((HERE / "digits.yaml").read_text()).substitute(URI=uri, DIGEST=digest)
    (OUT / "digits.yaml").write_text(manifest)
    print("\n".join("    " + line for line in manifest.splitlines() if not line.startswith("#")) + "\n")
    start = time.monotonic()
    shown("kubectl", "apply", "-f", os.path.relpath(OUT / "digits.yaml"))
    wait = ["kubectl", "wait", "--for=condition=UpToDate", "--timeout=180s", f"modeldeployment/{NAME}"]
    print(bold("$ " + " ".join(wait)), flush=True)
    if subprocess.run(wait).returncode != 0:
        shown("kubectl", "describe", f"modeldeployment/{NAME}")
        sys.exit("the model did not come up: the conditions above say why")
    print(f"{time.monotonic() - start:.1f} s from apply to serving\n")
    return json.loads(kubectl("get", "modeldeployment", NAME, "-o", "json"))


def show_proof(found: dict) -> None:
    status = found["status"]
    revision = next(r for r in status["revisions"] if r["name"] == status["stableRevision"])
    proof = revision.get("proof", {})
    worst, tolerance, runtime = proof.get("worstError", {}), proof.get("tolerance", {}), proof.get("runtime", {})
    rows = [
        ("revision", revision["name"]),
        ("digest", revision.get("digest", "")),
        ("level", f"{revision.get('level', '')}, {proof.get('cases', 0)} golden cases, tolerance "
                  f"{tolerance.get('absolute', 0):g} (from the {tolerance.get('source', '')})"),
    ]
    if worst:
        index = ",".join(map(str, worst.get("index", [])))
        rows.append(("worst error", f"{worst['error']:.1e} of {worst['allowed']:.1e} allowed, case {worst['case']}, "
                                    f"{worst['tensor']}[{index}]"))
    for warm in proof.get("warmup", []):
        rows.append(("warm-up", f"batch of {warm['batchSize']}: {warm['firstMs']:.2f} ms the first time, "
                                f"{warm['warmMs']:.2f} ms warm"))
    rows.append(("runtime", ", ".join(f"{key} {value}" for key, value in runtime.items())))
    for name, value in rows:
        print(f"  {name:<12} {value}")


def show_starts(found: dict) -> None:
    """What each pod did between its start and being ready. Kubernetes tells whole seconds, the sidecar the parts of its
    own share."""
    pods = json.loads(kubectl("get", "pods", "-l", found["status"]["selector"], "-o", "json"))["items"]
    for pod in sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"]):
        name = pod["metadata"]["name"]
        namespace = pod["metadata"]["namespace"]
        ready = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")["lastTransitionTime"]
        seconds = (datetime.fromisoformat(ready) - datetime.fromisoformat(pod["status"]["startTime"])).total_seconds()
        report = json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}:8081/proxy/status"))
        parts = {part: report["timings"][part] for part in ("fetch", "check", "load", "warm", "total")
                 if report["timings"].get(part, -1) >= 0}
        print(f"  {name}  ready {seconds:.0f} s after its start; of these the sidecar's, in ms: "
              + ", ".join(f"{part} {value * 1000:.0f}" for part, value in parts.items()))


def show_pictures(endpoint: Endpoint, held_out: dict, count: int) -> None:
    """Some held-out images with what /predict says, the ones it is least sure of among them."""
    answers = endpoint.predict(held_out["images"])
    wrong = [i for i, a in enumerate(answers) if int(a["label"]) != int(held_out["digits"][i])]
    unsure = sorted((i for i in range(len(answers)) if i not in wrong), key=lambda i: answers[i]["probability"])[:3]
    usual = [i for i in range(len(answers)) if i not in wrong + unsure]
    chosen = (wrong + unsure + usual)[:count]
    captions = []
    for i in chosen:
        mark = "✓" if i not in wrong else f"✗ is {int(held_out['digits'][i])}"
        captions.append(f"{answers[i]['label']}  {answers[i]['probability']:.1%} {mark}")
    print(drawn([held_out["images"][i] for i in chosen], captions, per_line=6, plain=PLAIN))


def show_accuracy(endpoint: Endpoint, held_out: dict) -> float:
    """Over all held-out images, from the endpoint, as JSON and as binary tensors."""
    count = len(held_out["digits"])
    accuracy = 0.0
    for form in ("JSON", "binary"):
        start = time.monotonic()
        logits = endpoint.infer(held_out["images"], binary=form == "binary", batch=36)
        seconds = time.monotonic() - start
        accuracy = (logits.argmax(1) == held_out["digits"]).float().mean().item()
        distance = (logits - held_out["logits"]).abs().max().item()
        print(f"  {form:<6}  accuracy {bold(f'{accuracy:.1%}')} over {count} held-out images in {seconds:.2f} s; "
              f"furthest from the eager module: {distance:.1e}")
    return accuracy


def main() -> None:
    title("Train and export")
    digest = train()
    held_out = load_file(OUT / "held-out.safetensors")
    title("Put the bundle where the cluster can fetch it")
    uri = upload(digest)
    print(uri)
    title("Deploy")
    found = deploy(uri, digest)
    shown("kubectl", "get", "modeldeployments")
    title("The proof, as status shows it")
    show_proof(found)
    title("How long the pods took to start")
    show_starts(found)
    title("Held-out images, and what the endpoint says")
    with Endpoint.of(found) as endpoint:
        show_pictures(endpoint, held_out, 12)
        accuracy = show_accuracy(endpoint, held_out)
        title("Go on")
        body = json.dumps({"instances": [[[int(v) for v in row] for row in held_out["images"][0]]]}, separators=(",", ":"))
        print(f"""\
  curl -s {endpoint.shown_url}/predict -H 'Content-Type: application/json' -d '{body}'
  kubectl describe modeldeployment {NAME}
  kubectl scale modeldeployment {NAME} --replicas=3
  kubectl delete modeldeployment {NAME}        # and nothing is left
  examples/digits/README.md                    # the same step by step
""")
    if accuracy < 0.95:
        sys.exit(f"accuracy {accuracy:.1%} is below 95 %")


if __name__ == "__main__":
    main()
