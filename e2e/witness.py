"""Records every version of a ModelDeployment's status, with the pods there were, and holds them against
docs/status.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from kube import is_leaving

CONDITIONS = ("Ready", "UpToDate", "Validated", "Reconciling", "Stalled")
TRAFFIC, REVISION = "pilotlight.dev/traffic", "pilotlight.dev/revision"

# How long after a change of the pods a status may still speak of how it was before.
LAG = 5.0

# Where the table's rows do not bear the phase's name.
_ROWS = {
    "Proving": r"first start|proving|replacing, past the deadline", "Promoting": "promoting|past the deadline|no room",
    "Settling": "promoting", "Reverting": "edited back", "Retiring": "retiring", "Complete": "complete", "Scaling": "scaling up|past the deadline",
    "Degraded": "degraded", "Stopped": "scaled to zero", "Failed": "proof failed", "Invalid": "invalid spec|name taken",
}


def truth_table() -> dict[str, dict[str, str]]:
    """docs/status.md: state → condition → status."""
    page = (Path(__file__).resolve().parent.parent / "docs/status.md").read_text()
    lines = page.partition("| state |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    return {state: dict(zip(CONDITIONS, cells, strict=True)) for state, *cells in rows}


class Follow:
    """Every event of a `kubectl get --watch`, in order, with the moment when it came."""

    def __init__(self, namespace: str, *what: str):
        self.events: list[tuple[float, str, dict]] = []
        command = ["kubectl", "--namespace", namespace, "get", *what, "--watch", "--output-watch-events", "-o", "json"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        decoder, text = json.JSONDecoder(), ""
        while chunk := os.read(self._process.stdout.fileno(), 1 << 20):
            text += chunk.decode()
            while text := text.lstrip():
                try:
                    event, end = decoder.raw_decode(text)
                except json.JSONDecodeError:
                    break
                text = text[end:]
                self.events.append((time.monotonic(), event["type"], event["object"]))

    def close(self) -> None:
        assert self._process.poll() is None, "the watch ended before its time: not everything was seen"
        self._process.kill()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()


@dataclass(frozen=True)
class _Pod:
    revision: str
    traffic: str
    ready: bool

    @staticmethod
    def of(document: dict) -> _Pod:
        labels = document["metadata"]["labels"]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in document["status"].get("conditions", []))
        return _Pod(labels.get(REVISION, ""), labels.get(TRAFFIC, ""), ready and not is_leaving(document))


class Witness:
    """with Witness(kube, name) as witness: …
    witness.check()
    """

    def __init__(self, kube, name: str):
        self.name = name
        self._models = Follow(kube.namespace, "modeldeployment", name)
        self._pods = Follow(kube.namespace, "pods", "-l", f"app.kubernetes.io/instance={name}")

    def __enter__(self) -> Witness:
        return self

    def __exit__(self, *_) -> None:
        for follow in (self._models, self._pods):
            follow.close()

    @property
    def phases(self) -> list[str]:
        """Each that status showed, in order, once in a row."""
        seen = [model["status"]["rollout"]["phase"] for _, model in self._versions()]
        return [phase for i, phase in enumerate(seen) if i == 0 or seen[i - 1] != phase]

    def pods_seen(self) -> int:
        """How many pods were there at one time or another."""
        return len({document["metadata"]["uid"] for _, _, document in self._pods.events})

    def check(self) -> int:
        """Fails if a version was not so; gives back how many there were."""
        pods = self._history()
        specs: dict[int, dict] = {}
        wrong, count = [], 0
        for _, kind, model in self._models.events:
            if kind != "DELETED":
                specs[model["metadata"]["generation"]] = model["spec"]
        for at, model in self._versions():
            spec = specs.get(model["status"]["observedGeneration"])
            if spec is None:
                continue  # of before we came
            count += 1
            then = self._around(pods, at)
            complaints = _against_the_table(model, spec)
            if then:
                complaints += _against_the_pods(model, spec, then)
            if complaints:
                brief = {c["type"]: f"{c['status']} {c['reason']}" for c in model["status"]["conditions"]}
                wrong.append(f"{'; '.join(complaints)}\n  {model['status']['rollout']}\n  {brief}\n  pods: {then}")
        assert not wrong, f"{len(wrong)} of {count} versions of {self.name}'s status were not so:\n" + "\n".join(wrong)
        return count

    def _versions(self) -> list[tuple[float, dict]]:
        versions, last = [], None
        for at, kind, model in self._models.events:
            status = model.get("status")
            if kind != "DELETED" and status and status != last:
                versions.append((at, model))
                last = status
        return versions

    def _history(self) -> list[tuple[float, tuple[_Pod, ...]]]:
        """The pods after each change, and when."""
        now, history = {}, []
        for at, kind, document in self._pods.events:
            uid = document["metadata"]["uid"]
            if kind == "DELETED":
                now.pop(uid, None)
            else:
                now[uid] = _Pod.of(document)
            history.append((at, tuple(now.values())))
        return history

    @staticmethod
    def _around(history: list, at: float) -> list[tuple[_Pod, ...]]:
        """How the pods were shortly before `at`; empty: we do not know. Our two watches may differ by a moment."""
        before = [pods for when, pods in history if when <= at - LAG][-1:]
        return before + [pods for when, pods in history if at - LAG < when <= at + 0.5]


def _against_the_table(model: dict, spec: dict) -> list[str]:
    status = model["status"]
    is_now = {c["type"]: c["status"] for c in status["conditions"]}
    complaints = []
    if set(is_now) != set(CONDITIONS):
        return [f"its conditions are {sorted(is_now)}"]
    if is_now["Reconciling"] == is_now["Stalled"] == "True":
        complaints.append("Reconciling and Stalled at once")
    if any(c["observedGeneration"] != status["observedGeneration"] for c in status["conditions"]):
        complaints.append("a condition speaks of another generation")
    phase = status["rollout"]["phase"]
    name = _ROWS.get(phase, phase.lower())
    rows = {state: row for state, row in truth_table().items() if re.search(name, state)}
    # Ready follows from the pods, whatever the phase; see below.
    others = [kind for kind in CONDITIONS if kind != "Ready"]
    if not any(all(row[kind] == is_now[kind] for kind in others) for row in rows.values()):
        complaints.append(f"{phase} with {is_now}, which no row of the truth table has (looked at: {', '.join(rows)})")
    if not re.search("Invalid", phase):
        replicas = spec.get("replicas", 1)
        enough = replicas > 0 and status.get("readyReplicas", 0) >= _needed(spec)
        if enough != (is_now["Ready"] == "True"):
            complaints.append(f"Ready is {is_now['Ready']} with {status.get('readyReplicas', 0)} of {replicas} ready")
    return complaints


def _needed(spec: dict) -> int:
    """How many pods must serve, for Ready."""
    replicas = spec.get("replicas", 1)
    value = str(spec.get("rollout", {}).get("rollingUpdate", {}).get("maxUnavailable", 0))
    missing = replicas * int(value[:-1]) // 100 if value.endswith("%") else int(value)
    return max(1, replicas - max(1, missing))


def _against_the_pods(model: dict, spec: dict, moments: list[tuple[_Pod, ...]]) -> list[str]:
    status = model["status"]
    stable, target, phase = status.get("stableRevision", ""), status["rollout"].get("revision", ""), status["rollout"]["phase"]

    def serving(pods, revision=None):
        return sum(p.ready and p.traffic == "service" and revision in (None, p.revision) for p in pods)

    complaints = []
    counts = [serving(pods) for pods in moments]
    if not min(counts) <= status.get("readyReplicas", 0) <= max(counts):
        complaints.append(f"readyReplicas is {status.get('readyReplicas', 0)}, there were {sorted(set(counts))}")
    replicas = spec.get("replicas", 1)
    so = {
        "Proving": lambda pods: serving(pods, target) == 0,
        "Settling": lambda pods: serving(pods, target) >= replicas,
        "Retiring": lambda pods: any(p.revision != stable for p in pods) and stable == target,
        "Complete": lambda pods: stable == target and serving(pods, stable) >= replicas and serving(pods) == serving(pods, stable),
        "Degraded": lambda pods: serving(pods, stable) < replicas,
        "Scaling": lambda pods: serving(pods, stable) != replicas,
        "Stopped": lambda pods: replicas == 0,
    }.get(phase)
    if so and not any(so(pods) for pods in moments):
        complaints.append(f"{phase} was not so")
    return complaints
