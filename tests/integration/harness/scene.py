"""One test's stage: a namespace, a proxy, an operator behind it, and what is looked at in the end."""

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness.background import Background
from harness.cluster import Cluster, History
from harness.controlplane import OPERATOR_NAMESPACE, ControlPlane
from harness.operator import SIDECAR_IMAGE, Operator, write_kubeconfig
from harness.processes import eventually
from harness.proxy import Proxy

INSTANCE = "app.kubernetes.io/instance"
REVISION = "pilotlight.dev/revision"
TRAFFIC = "pilotlight.dev/traffic"
PIN = "pilotlight.dev/digest"
CHILDREN = ["configmaps", "replicasets", "services", "poddisruptionbudgets"]

_numbers = itertools.count(1)
# What differs from run to run and means nothing.
_VOLATILE = {"bytesFetched", "lastTransitionTime", "since", "deadline", "progressed", "lastReplaced", "podUID", "timings", "at"}


def quiet_seconds() -> float:
    """How long nothing may be written after each scenario. One test always waits for 60 s; see README.md."""
    return float(os.environ.get("PILOTLIGHT_QUIET_SECONDS", "2"))


@dataclass
class Stage:
    """What all tests of a run share."""

    folder: Path
    background: Background
    control_plane: ControlPlane
    cluster: Cluster
    # How many scenes play at once at most: they mostly wait.
    places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(14))
    sidecar_image: str = SIDECAR_IMAGE
    prefix: str = "scene-"  # of namespaces

    @contextlib.contextmanager
    def scene(self, **options: object) -> Iterator["Scene"]:
        with self.places:
            self.control_plane.await_owners()
            scene = Scene(self, f"{self.prefix}{next(_numbers)}", **options)
            try:
                yield scene
            except Exception as error:
                error.add_note(scene.note_failure())
                raise
            finally:
                scene.close()


class Scene:
    """Not thread-safe; several may play at once, each in a thread and a namespace of its own."""

    def __init__(self, stage: Stage, namespace: str, alone: bool = False, leader_election: bool = False,
                 start: bool = True) -> None:
        """alone: the operator watches all namespaces, so no other scene may be there."""
        self.stage = stage
        self.kube = stage.control_plane.kube
        self.cluster = stage.cluster
        self.namespace = namespace
        self.folder = stage.folder / namespace
        self.folder.mkdir()
        self.kube.create("namespaces", {"metadata": {"name": namespace}})
        self._alone = alone
        self._leader_election = leader_election
        self.restarted = False
        if leader_election:
            self._allow_leases()
        self._proxies: list[Proxy] = []
        self._operators: list[Operator] = []
        self.proxy = self.add_proxy()
        self.operator = self.add_operator(self.proxy)
        if start:
            self.operator.start()

    def _allow_leases(self) -> None:
        """The rights that the chart gives in the operator's own namespace, here: each scene has a Lease of its own."""
        for kind in ("roles", "rolebindings"):
            for item in self.kube.list(kind, OPERATOR_NAMESPACE):
                item["metadata"] = {"name": item["metadata"]["name"]}
                self.kube.create(kind, item, self.namespace)

    def restart_apiserver(self) -> None:
        self.restarted = True
        self.stage.control_plane.restart_apiserver()

    def add_proxy(self) -> Proxy:
        plane = self.stage.control_plane
        proxy = Proxy(self.stage.background, plane.url, plane.ssl_context(), plane.server_files, plane.operator_token)
        proxy.start()
        self._proxies.append(proxy)
        return proxy

    def add_operator(self, proxy: Proxy, name: str = "operator", user: dict | None = None) -> Operator:
        kubeconfig = write_kubeconfig(self.folder / f"{name}.kubeconfig", proxy.url,
                                      self.stage.control_plane.authority.ca,
                                      user or {"token": self.stage.control_plane.operator_token})
        flags = () if self._alone else (f"--watch-namespaces={self.namespace}",)
        operator = Operator(self.folder, kubeconfig, self.cluster.admin_port, name,
                            self.namespace if self._leader_election else "", flags, self.stage.sidecar_image)
        self._operators.append(operator)
        return operator

    def close(self) -> None:
        for operator in self._operators:
            if operator.program:
                operator.program.kill()
        for proxy in self._proxies:
            proxy.stop()
        self.cluster.freeze(self.namespace, False)
        self.cluster.empty(self.namespace)

    def note_failure(self) -> str:
        """Writes all that one needs to understand a failure into the scene's folder; gives back the end of it."""
        for number, proxy in enumerate(self._proxies):
            (self.folder / f"requests-{number}.log").write_text(proxy.log() + "\n")
            (self.folder / f"writes-{number}.log").write_text("".join(
                f"{call}\n  {call.body.decode(errors='replace')}\n" for call in proxy.writes()))
        state = {kind: self.kube.list(kind, self.namespace) for kind in ["modeldeployments", *CHILDREN, "pods", "events"]}
        (self.folder / "state.json").write_text(json.dumps(state, indent=1))
        return "\n".join([f"Requests, objects and the operator's log are in {self.folder}. The last requests:",
                          *self.proxy.log().splitlines()[-12:],
                          self.operator.program.tail(5) if self.operator.program else ""])

    # What users do.

    def apply(self, name: str = "digits", uri: str = "https://models.invalid/digits/v1.tar", replicas: int = 2,
              **spec: object) -> dict:
        return self.kube.apply("modeldeployments", {
            "apiVersion": "pilotlight.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": name},
            "spec": {"model": {"uri": uri}, "replicas": replicas, **spec}}, self.namespace)

    def model(self, name: str = "digits") -> dict | None:
        return self.kube.get("modeldeployments", self.namespace, name)

    # What is looked at.

    def condition(self, kind: str, name: str = "digits", model: dict | None = None) -> dict:
        """Empty if there is none, or if it speaks of another generation."""
        model = model or self.model(name)
        for each in (model or {}).get("status", {}).get("conditions", []):
            if each["type"] == kind and each.get("observedGeneration") == model["metadata"]["generation"]:
                return each
        return {}

    def holds(self, kind: str, name: str = "digits") -> bool:
        return self.condition(kind, name).get("status") == "True"

    def pods(self, traffic: str | None = None) -> list[dict]:
        return [pod for pod in self.kube.list("pods", self.namespace) if "deletionTimestamp" not in pod["metadata"]
                and (traffic is None or pod["metadata"]["labels"].get(TRAFFIC) == traffic)]

    def children(self) -> dict[str, list[dict]]:
        return {kind: self.kube.list(kind, self.namespace, "app.kubernetes.io/managed-by=pilotlight")
                for kind in CHILDREN}

    def history(self) -> History:
        return self.cluster.history(self.namespace)

    def at_goal(self, name: str = "digits") -> bool:
        """The model is up to date, has its replicas in the Service, and nothing is under way."""
        model = self.model(name)
        if not model:
            return False
        states = {kind: self.condition(kind, name, model).get("status") for kind in ("UpToDate", "Ready", "Reconciling")}
        if states != {"UpToDate": "True", "Ready": "True", "Reconciling": "False"}:
            return False
        wanted = model["spec"]["replicas"]
        pods = [pod for pod in self.pods() if pod["metadata"]["labels"].get(INSTANCE) == name]
        serving = [pod for pod in pods if pod["metadata"]["labels"].get(TRAFFIC) == "service"]
        status = model["status"]
        return (len(serving) == len(pods) == wanted
                and status.get("replicas", 0) == status.get("readyReplicas", 0) == wanted)

    def await_goal(self, timeout: float = 60, name: str = "digits") -> None:
        eventually(lambda: f"{name} is up to date and at rest; it is {json.dumps(self._brief(name))}",
                   lambda: self.at_goal(name), timeout, every=0.1)

    def await_quiet(self, seconds: float | None = None, allow: float = 3) -> None:
        """Nothing but the Lease is written for `seconds`, once the last writes, such as events, are out: these have
        `allow` seconds from now."""
        seconds = quiet_seconds() if seconds is None else seconds
        begin = time.monotonic()
        while True:
            writes = [call.at for proxy in self._proxies for call in proxy.writes(begin)]
            last = max(writes, default=begin)
            if last - begin > allow:
                log = "\n".join(map(str, (call for proxy in self._proxies for call in proxy.writes(begin))))
                raise AssertionError(f"the operator goes on writing at rest:\n{log}")
            if time.monotonic() - last >= seconds:
                return
            time.sleep(0.1)

    def snapshot(self) -> dict:
        """The whole outcome, without what differs by chance: two runs that end alike give equal snapshots."""
        pods = sorted(([pod["metadata"]["labels"], pod["metadata"].get("annotations", {}).get(PIN)]
                       for pod in self.pods()), key=json.dumps)
        result = {"pods": pods, "models": [
            {"name": model["metadata"]["name"], "spec": model["spec"], "status": _stable(model.get("status", {}))}
            for model in self.kube.list("modeldeployments", self.namespace)]}
        for kind, items in self.children().items():
            result[kind] = [_child(item) for item in sorted(items, key=lambda item: item["metadata"]["name"])]
        return json.loads(json.dumps(result).replace(self.namespace, "NAMESPACE"))

    def assert_sound(self, remade: bool = False) -> None:
        """No state was ever there that must not be, nothing was asked for that the operator has no right to, each
        child was made once, and each belongs to its model."""
        history = self.history()
        assert not history.broken, history.broken
        # A server that has just started does not know its rules yet.
        refused = [] if self.restarted else [str(call) for proxy in self._proxies
                   for call in proxy.calls(also=lambda call: call.status in (401, 403) and not call.fault)]
        assert not refused, refused
        for (kind, name), uids in history.uids.items():
            if kind not in ("pods", "modeldeployments") and not remade:
                assert len(uids) == 1, f"{kind} {name} was made {len(uids)} times"
        models = {model["metadata"]["uid"] for model in self.kube.list("modeldeployments", self.namespace)}
        for kind, items in self.children().items():
            for item in items:
                owners = item["metadata"].get("ownerReferences", [])
                assert len(owners) == 1 and owners[0]["uid"] in models, f"{kind} {item['metadata']['name']}: {owners}"
                assert owners[0]["controller"] and owners[0]["blockOwnerDeletion"], owners

    def _brief(self, name: str) -> object:
        model = self.model(name) or {}
        return {kind["type"]: f"{kind['status']} {kind['reason']}: {kind['message']}"
                for kind in model.get("status", {}).get("conditions", [])}


def sweep(stage: Stage, story: Callable[[Scene], None], faults: Iterable[tuple[str, Callable[[Scene], None]]],
          ) -> None:
    """Plays `story` once with each fault, each in a scene of its own, all together. `faults` have a name and a function
    that sets them up before the operator starts; all that fail are told."""
    def play(each: tuple[str, Callable[[Scene], None]]) -> str | None:
        name, prepare = each
        try:
            with stage.scene(start=False) as scene:
                prepare(scene)
                scene.operator.start()
                story(scene)
        except Exception as error:
            return "\n".join([f"{name}, in {scene.namespace}: {type(error).__name__}: {error}",
                              *getattr(error, "__notes__", [])])
        return None

    faults = list(faults)
    with ThreadPoolExecutor(len(faults)) as pool:
        failed = [each for each in pool.map(play, faults) if each]
    assert not failed, f"{len(failed)} of {len(faults)} failed:\n" + "\n\n".join(failed)


def _stable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _stable(each) for key, each in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        return [_stable(each) for each in value]
    return value


def _child(item: dict) -> dict:
    meta, spec = item["metadata"], dict(item.get("spec", {}))
    for chance in ("clusterIP", "clusterIPs"):
        spec.pop(chance, None)
    return {"name": meta["name"], "labels": meta.get("labels", {}), "annotations": meta.get("annotations", {}),
            "spec": spec, "data": item.get("data"), "immutable": item.get("immutable"),
            "owners": [{key: owner.get(key) for key in ("kind", "name", "controller", "blockOwnerDeletion")}
                       for owner in meta.get("ownerReferences", [])]}
