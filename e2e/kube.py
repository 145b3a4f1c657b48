"""kubectl for tests: objects as dictionaries, and waiting by watches instead of by sleeping."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time


# What the operator and Kubernetes make for a ModelDeployment.
CHILDREN = "replicasets,pods,services,configmaps,poddisruptionbudgets,endpoints"


class Kube:
    """One namespace of the cluster that KUBECONFIG names. Safe to use from several threads."""

    def __init__(self, namespace: str):
        self.namespace = namespace

    def run(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, input=text, text=True, capture_output=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, kind: str, name: str) -> dict | None:
        text = self.run("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, selector: str = "") -> list[dict]:
        return json.loads(self.run("get", kind, "-l", selector, "-o", "json"))["items"]

    def apply(self, document: dict) -> None:
        self.run("apply", "-f", "-", text=json.dumps(document))

    def delete(self, kind: str, name: str) -> None:
        self.run("delete", kind, name, "--ignore-not-found", "--wait=true", "--timeout=60s")

    def raw(self, path: str) -> str:
        return self.run("get", "--raw", path)

    def watch(self, kind: str, name: str, seconds: float):
        """Yields the object as it is, and again at each change, for so long. Ends early only with the watch."""
        command = ["kubectl", "--namespace", self.namespace, "get", kind, name, "--watch", "-o", "json"]
        yield from _documents(command, seconds)

    def until(self, kind: str, name: str, fulfilled, seconds: float = 60, always=None) -> dict:
        """The object, once `fulfilled(object)`; `always(object)` is called with each state on the way."""
        last: dict = {}
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for last in self.watch(kind, name, left):
                if always:
                    always(last)
                if fulfilled(last):
                    return last
        # Asked anew: it is another thing if the last state was not watched than if there was none after it.
        text = self.run("get", kind, name, "-o", "json", check=False)
        now = json.loads(text) if text else {}
        children = self.run("get", CHILDREN, "-l", _of_model(name), "-o", "wide", check=False)
        raise AssertionError(f"{kind} {name} did not become so in {seconds:.0f} s; it is at resourceVersion "
                             f"{_version(now)}, and was last seen at {_version(last)}:\n"
                             + json.dumps(now.get("status", now), indent=1)[:6000] + f"\n{children}")

    def event(self, name: str, reason: str, seconds: float = 20) -> dict:
        """The Event of that reason about the ModelDeployment, which may take a moment to be written."""
        selector = f"involvedObject.kind=ModelDeployment,involvedObject.name={name},reason={reason}"
        command = ["kubectl", "--namespace", self.namespace, "get", "events", "--field-selector", selector, "--watch",
                   "-o", "json"]
        for event in _documents(command, seconds):
            return event
        found = self.run("get", "events", "--field-selector", f"involvedObject.name={name}")
        raise AssertionError(f"no event {reason} about {name} in {seconds:.0f} s; there are:\n{found}")

    def pods(self, name: str) -> list[dict]:
        """The model's pods, but those that were told to end."""
        return [pod for pod in self.list("pods", _of_model(name)) if not is_leaving(pod)]

    def gone(self, selector: str, seconds: float = 150) -> None:
        """Returns once nothing is left that bears the label; or fails and says what is."""
        self._none(CHILDREN, selector, lambda _: True, seconds, "left over")

    def ended(self, selector: str, seconds: float = 150) -> None:
        """Returns once the pods that bear the label have ended, be it that their kubelets keep them; or fails."""
        self._none("pods", selector, lambda pod: not has_ended(pod), seconds, "not ended")

    def drained(self, name: str, seconds: float = 150) -> None:
        """Returns once the model's pods that were told to end have, which is when they can no longer fail anybody; or
        fails."""
        self._none("pods", _of_model(name), lambda pod: is_leaving(pod) and not has_ended(pod), seconds,
                   "told to end, but running")

    def _none(self, kinds: str, selector: str, counts, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        # Not `kubectl wait --for=delete`: it misses what goes while it starts, and then waits for all its time.
        while there := [one for one in self.list(kinds, selector) if counts(one)]:
            assert time.monotonic() < deadline, f"{what} after {seconds:.0f} s: {', '.join(map(_in_short, there))}"
            time.sleep(0.2)


def _of_model(name: str) -> str:
    return f"app.kubernetes.io/instance={name}"


def is_leaving(document: dict) -> bool:
    return "deletionTimestamp" in document["metadata"]


def has_ended(pod: dict) -> bool:
    """It was told to end, none of its containers runs, and nothing but its kubelet holds it in the API server.

    That takes as long as the kubelet likes. One of v1.20 that finds a container and its sandbox dead at one look loses the
    container, which then waits and was terminated, and leaves the sandbox to its next collection of garbage, a minute
    away; ten seconds later it asks for the pod's deletion.
    """
    return (is_leaving(pod) and not pod["metadata"].get("finalizers")
            and not any("running" in status["state"] for status in pod["status"].get("containerStatuses", [])))


def _in_short(document: dict) -> str:
    states = [status["state"] for status in document.get("status", {}).get("containerStatuses", [])]
    return f"{document['kind']} {document['metadata']['name']}" + (f" {json.dumps(states)}" if states else "")


def _version(document: dict) -> str:
    return document.get("metadata", {}).get("resourceVersion", "none")


def _documents(command: list[str], seconds: float):
    """The JSON documents that a kubectl --watch prints, for so many seconds."""
    deadline = time.monotonic() + seconds
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    decoder, text = json.JSONDecoder(), ""
    try:
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                return
            chunk = os.read(process.stdout.fileno(), 1 << 20)
            if not chunk:
                return
            text += chunk.decode()
            with contextlib.suppress(json.JSONDecodeError):
                while text := text.lstrip():
                    document, end = decoder.raw_decode(text)
                    text = text[end:]
                    yield document
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        selector.close()


def condition(model: dict, kind: str) -> dict:
    """A condition of the ModelDeployment; one that is not there yet has no status."""
    conditions = model.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {"status": "", "reason": "", "message": ""})


def is_true(model: dict, kind: str) -> bool:
    return condition(model, kind)["status"] == "True"


def settled(model: dict, kind: str) -> bool:
    """The condition is true, and speaks of the spec as it is now."""
    current = model.get("status", {}).get("observedGeneration") == model["metadata"]["generation"]
    return current and is_true(model, kind)


def in_phase(*phases: str):
    """Whether the rollout of the spec as it is now is in one of these."""
    return lambda model: (model["status"]["observedGeneration"] == model["metadata"]["generation"]
                          and model["status"]["rollout"]["phase"] in phases)


def revision(model: dict, name: str | None = None) -> dict:
    """What status says of a revision, the stable one if none is named."""
    wanted = name or model["status"]["stableRevision"]
    return next(r for r in model["status"]["revisions"] if r["name"] == wanted)
