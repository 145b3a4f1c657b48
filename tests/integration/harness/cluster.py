"""Stand-ins for what a bare API server lacks: the ReplicaSet controller, the kubelet, EndpointSlices, and, only when
a test asks for it, the garbage collector.

They watch all namespaces and act on what they remember, which their own writes update at once. Wherever the operator
looks for a pod, it finds a fake sidecar: the pod's address is a loopback address of its own.
"""

import asyncio
import copy
import datetime
import itertools
import json
import uuid
from dataclasses import dataclass, field

import aiohttp

from harness.background import Background
from harness.kube import MERGE_PATCH, ApiError, Kube, retrying
from harness.processes import free_port
from harness.sidecar import AdminPort, Script, Sidecar, good

_WATCHED = ["replicasets", "pods", "services", "configmaps", "poddisruptionbudgets", "modeldeployments"]
_PIN = "pilotlight.dev/digest"
_TRAFFIC = "pilotlight.dev/traffic"


@dataclass
class _Container:
    sidecar: Sidecar
    port: AdminPort
    script: asyncio.Task
    address: str
    id: str
    started: str
    restarts: int = 0


@dataclass
class History:
    """What has been in one namespace since the test began."""

    # kind, name → the UIDs that bore that name, in order.
    uids: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    pods: int = 0
    # Sentences about states that must never be, each once.
    broken: list[str] = field(default_factory=list)
    # The least ready pods in the Service since `floor_from` was set to watch for that.
    floor_from: int | None = None
    floor: int | None = None


class Cluster:
    """Methods without `async` are for any thread but the loop's."""

    def __init__(self, background: Background, kube: Kube) -> None:
        self._background = background
        self._kube = kube
        self.admin_port = free_port()
        self._objects: dict[str, dict[str, dict]] = {kind: {} for kind in _WATCHED}  # kind → UID → object
        self._containers: dict[str, _Container] = {}                                 # pod UID →
        self._scripts: dict[tuple[str, str], Script] = {}                            # namespace, URI →
        self._contents: dict[tuple[str, str], str] = {}
        self._busy: set[str] = set()     # UIDs of pods that a task is starting or ending
        self._histories: dict[str, History] = {}
        self._frozen: set[str] = set()   # namespaces where nothing moves
        self._unreachable: set[str] = set()
        self._addresses = (f"127.{64 + a}.{b}.{c}" for a, b, c in itertools.product(
            range(64), range(256), range(1, 255)))
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task] = []

    def start(self) -> None:
        async def begin() -> None:
            for kind in _WATCHED:
                self._tasks.append(asyncio.create_task(retrying(lambda kind=kind: self._follow(kind))))
            self._tasks.append(asyncio.create_task(retrying(self._work, pause=0.05)))

        self._background.run(begin())

    def stop(self) -> None:
        async def end() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for uid in list(self._containers):
                await self._end_container(uid)

        self._background.run(end())

    # What tests do with it.

    def script(self, namespace: str, uri: str, script: Script) -> None:
        """How sidecars behave whose model is `uri`, from their next start."""
        self._scripts[namespace, uri] = script

    def content(self, namespace: str, uri: str, content: str) -> None:
        """What `uri` gives from now on, in place of bytes that are its own."""
        self._contents[namespace, uri] = content

    def history(self, namespace: str) -> History:
        return self._histories.setdefault(namespace, History())

    def guard_capacity(self, namespace: str, replicas: int) -> None:
        """From now on fewer than that many ready pods in the Service count as broken."""
        self.history(namespace).floor_from = replicas

    def sidecars(self, namespace: str) -> list[Sidecar]:
        return [each.sidecar for each in list(self._containers.values())
                if each.sidecar.pod["metadata"]["namespace"] == namespace]

    def asked(self, namespace: str) -> int:
        """How often the sidecars that are there now were asked for their status."""
        return sum(each.port.asked for each in list(self._containers.values())
                   if each.sidecar.pod["metadata"]["namespace"] == namespace)

    def freeze(self, namespace: str, frozen: bool = True) -> None:
        """No pod is made, started, changed or ended there."""
        (self._frozen.add if frozen else self._frozen.discard)(namespace)
        self._background.loop.call_soon_threadsafe(self._dirty.set)

    def restart_container(self, pod: dict) -> None:
        """The container ends, and starts again with the pod's annotations as they are now."""
        async def restart() -> None:
            uid = pod["metadata"]["uid"]
            before = self._containers[uid]
            await self._end_container(uid)
            await self._start_container(self._objects["pods"][uid], before.address, before.restarts + 1)

        self._background.run(restart())

    def silence(self, pod: dict) -> None:
        """The sidecar's admin port refuses connections, as behind a NetworkPolicy."""
        self._background.run(self._containers[pod["metadata"]["uid"]].port.close())

    def collect_garbage(self, namespace: str) -> None:
        """Deletes all whose owner is gone, and what those own."""
        async def collect() -> None:
            while True:
                objects = {}
                for kind in _WATCHED:
                    path = await self._kube.path(kind, namespace)
                    for item in (await self._kube.request("GET", path))["items"]:
                        objects[item["metadata"]["uid"]] = kind, item["metadata"]
                orphans = [(kind, meta) for kind, meta in objects.values() if meta.get("ownerReferences")
                           and "deletionTimestamp" not in meta
                           and not any(owner["uid"] in objects for owner in meta["ownerReferences"])]
                if not orphans:
                    return
                for kind, meta in orphans:
                    await self._delete(kind, meta)

        self._background.run(collect())

    def empty(self, namespace: str) -> None:
        """Deletes all objects of a namespace that a test is done with."""
        async def clear() -> None:
            for kind in ["modeldeployments", *(kind for kind in _WATCHED if kind != "modeldeployments")]:
                path = await self._kube.path(kind, namespace)
                for item in (await self._kube.request("GET", path))["items"]:
                    await self._delete(kind, item["metadata"], now=True)

        self._background.run(clear())

    # Following the API server.

    async def _follow(self, kind: str) -> None:
        listed = await self._kube.request("GET", await self._kube.path(kind))
        there = {item["metadata"]["uid"]: item for item in listed["items"]}
        for uid in self._objects[kind].keys() - there.keys():
            self._forget(kind, uid)
        for item in listed["items"]:
            self._learn(kind, item)
        async for event in self._kube.watch(kind, listed["metadata"]["resourceVersion"]):
            if event["type"] == "ERROR":
                return
            if event["type"] == "DELETED":
                self._forget(kind, event["object"]["metadata"]["uid"])
            elif event["type"] in ("ADDED", "MODIFIED"):
                self._learn(kind, event["object"])

    def _learn(self, kind: str, item: dict) -> None:
        meta = item["metadata"]
        known = self._objects[kind].get(meta["uid"])
        if known and int(known["metadata"]["resourceVersion"]) > int(meta["resourceVersion"]):
            return  # an event that is older than our own write
        self._objects[kind][meta["uid"]] = item
        history = self.history(meta["namespace"])
        uids = history.uids.setdefault((kind, meta["name"]), [])
        if meta["uid"] not in uids:
            uids.append(meta["uid"])
            history.pods += kind == "pods"
        self._check(kind, item, history)
        self._dirty.set()

    def _forget(self, kind: str, uid: str) -> None:
        gone = self._objects[kind].pop(uid, None)
        if gone and kind == "pods":
            self._check(kind, gone, self.history(gone["metadata"]["namespace"]))
        self._dirty.set()

    def _check(self, kind: str, item: dict, history: History) -> None:
        """What must hold after every single write, whoever made it."""
        if kind not in ("pods", "services"):
            return
        meta = item["metadata"]
        broken = []
        if kind == "pods" and meta["uid"] in self._objects["pods"] and _in_service(item):
            container = self._containers.get(meta["uid"])
            if not meta.get("annotations", {}).get(_PIN):
                broken.append(f"pod {meta['name']} is in the Service without a pin")
            if container and not container.sidecar.pin and "proof" not in container.sidecar.document:
                broken.append(f"pod {meta['name']} is in the Service, neither pinned nor proven")
        if history.floor_from is not None:
            serving = sum(_in_service(pod) and is_ready(pod) for pod in self._objects["pods"].values()
                          if pod["metadata"]["namespace"] == meta["namespace"])
            history.floor = serving if history.floor is None else min(history.floor, serving)
            if serving < history.floor_from:
                broken.append(f"{serving} ready pods in the Service, fewer than {history.floor_from}")
        history.broken += [each for each in broken if each not in history.broken]

    # Acting.

    async def _work(self) -> None:
        await self._dirty.wait()
        self._dirty.clear()
        for uid in self._containers.keys() - self._objects["pods"].keys() - self._busy:
            await self._end_container(uid)
        for kind, act in (("replicasets", self._scale), ("pods", self._live), ("services", self._list_endpoints)):
            for item in list(self._objects[kind].values()):
                if item["metadata"]["namespace"] in self._frozen:
                    continue
                try:
                    await act(item)
                except (aiohttp.ClientError, OSError, ApiError):
                    # One object that nobody can act on must not stop the others. It comes up again.
                    self._background.loop.call_later(0.2, self._dirty.set)

    async def _scale(self, replica_set: dict) -> None:
        meta, spec = replica_set["metadata"], replica_set["spec"]
        owned = [pod for pod in self._objects["pods"].values() if _owner(pod) == meta["uid"]]
        alive = [pod for pod in owned if "deletionTimestamp" not in pod["metadata"]]
        if "deletionTimestamp" not in meta:
            for _ in range(spec["replicas"] - len(alive)):
                alive.append(await self._make_pod(replica_set))
            # As the real one: first those that are not ready, then the youngest.
            alive.sort(key=lambda pod: (not is_ready(pod), pod["metadata"]["creationTimestamp"]))
            for pod in alive[spec["replicas"]:]:
                await self._delete("pods", pod["metadata"])
            del alive[spec["replicas"]:]
        status = {"replicas": len(alive), "fullyLabeledReplicas": sum(
                      all(pod["metadata"]["labels"].get(key) == value
                          for key, value in spec["template"]["metadata"]["labels"].items()) for pod in alive),
                  "readyReplicas": sum(map(is_ready, alive)), "availableReplicas": sum(map(is_ready, alive)),
                  "observedGeneration": meta["generation"]}
        if any(replica_set["status"].get(key, 0) != value for key, value in status.items()):
            await self._patch_status("replicasets", replica_set, status)

    async def _make_pod(self, replica_set: dict) -> dict:
        meta, template = replica_set["metadata"], copy.deepcopy(replica_set["spec"]["template"])
        body = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"], "metadata": {
            **template["metadata"], "generateName": meta["name"] + "-", "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": meta["name"], "uid": meta["uid"],
                "controller": True, "blockOwnerDeletion": True}]}}
        body["metadata"].pop("creationTimestamp", None)
        body["spec"]["nodeName"] = "node"  # there is no scheduler
        path = await self._kube.path("pods", meta["namespace"])
        pod = await self._kube.request("POST", path, body)
        self._learn("pods", pod)
        return pod

    async def _live(self, pod: dict) -> None:
        """Starts what a pod needs next, unless that is under way."""
        uid = pod["metadata"]["uid"]
        if uid in self._busy or uid not in self._objects["pods"]:
            return
        if "deletionTimestamp" in pod["metadata"]:
            work = self._end_pod(pod)
        elif uid not in self._containers:
            work = self._start_container(pod, next(self._addresses), 0)
        elif is_ready(pod) != self._containers[uid].sidecar.ready:
            work = self._report(pod)
        else:
            return
        self._busy.add(uid)

        async def run() -> None:
            try:
                await work
            except ApiError as error:
                if error.code not in (404, 409):
                    await asyncio.sleep(0.2)
            except Exception:
                await asyncio.sleep(0.2)
            finally:
                self._busy.discard(uid)
                self._dirty.set()

        self._tasks = [task for task in self._tasks if not task.done()] + [asyncio.create_task(run())]

    async def _start_container(self, pod: dict, address: str, restarts: int) -> None:
        meta, container = pod["metadata"], pod["spec"]["containers"][0]
        mounted = next(volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume)
        config_map = await self._kube.request("GET", await self._kube.path("configmaps", meta["namespace"], mounted))
        config = json.loads(config_map["data"]["config.json"])
        env = {each["name"]: each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
               for each in container.get("env", [])}
        if env.get("PILOTLIGHT_DIGEST") != f"metadata.annotations['{_PIN}']":
            self.history(meta["namespace"]).broken.append("PILOTLIGHT_DIGEST is not read from the pin annotation")
        uri = config["model"]["uri"]
        sidecar = Sidecar(pod, config, meta.get("annotations", {}).get(_PIN, ""),
                          self._contents.get((meta["namespace"], uri), uri), self._dirty.set)
        port = AdminPort(sidecar, address, self.admin_port)
        await port.open()
        script = asyncio.create_task(self._scripts.get((meta["namespace"], uri), good)(sidecar))
        self._containers[meta["uid"]] = _Container(sidecar, port, script, address, f"containerd://{uuid.uuid4().hex}",
                                                   _now(), restarts)
        await self._report(pod)

    async def _end_container(self, uid: str) -> None:
        container = self._containers.pop(uid, None)
        if container:
            container.script.cancel()
            await container.port.close()

    async def _end_pod(self, pod: dict) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._containers:
            self._containers[uid].script.cancel()
            self._containers[uid].sidecar.set("Draining")
            await self._report(pod)
            await asyncio.sleep(0.05)
            await self._end_container(uid)
        await self._delete("pods", pod["metadata"], now=True)

    async def _report(self, pod: dict) -> None:
        """The kubelet's part: what the container is like becomes the pod's status."""
        container = self._containers[pod["metadata"]["uid"]]
        ready = container.sidecar.ready
        now = _now()
        conditions = [{"type": kind, "status": "True" if holds else "False", "lastTransitionTime": now}
                      for kind, holds in (("Initialized", True), ("Ready", ready), ("ContainersReady", ready),
                                          ("PodScheduled", True))]
        await self._patch_status("pods", pod, {
            "phase": "Running", "podIP": container.address, "podIPs": [{"ip": container.address}],
            "hostIP": "127.0.0.1", "startTime": pod["status"].get("startTime", now), "conditions": conditions,
            "containerStatuses": [{
                "name": pod["spec"]["containers"][0]["name"], "ready": ready, "started": True,
                "restartCount": container.restarts, "image": pod["spec"]["containers"][0]["image"], "imageID": "",
                "containerID": container.id, "state": {"running": {"startedAt": container.started}}}]})

    async def _list_endpoints(self, service: dict) -> None:
        meta, selector = service["metadata"], service["spec"].get("selector")
        if not selector:
            return
        pods = [pod for pod in self._objects["pods"].values()
                if pod["metadata"]["namespace"] == meta["namespace"] and "deletionTimestamp" not in pod["metadata"]
                and pod["status"].get("podIP") and selector.items() <= pod["metadata"].get("labels", {}).items()]
        # Loopback addresses are refused here. Nobody connects to these.
        endpoints = [{"addresses": [pod["status"]["podIP"].replace("127.", "10.", 1)],
                      "conditions": {"ready": is_ready(pod)},
                      "targetRef": {"kind": "Pod", "namespace": meta["namespace"], "name": pod["metadata"]["name"],
                                    "uid": pod["metadata"]["uid"]}}
                     for pod in sorted(pods, key=lambda pod: pod["metadata"]["uid"])]
        if service.get("_endpoints") == endpoints:
            return
        path = await self._kube.path("endpointslices", meta["namespace"])
        body = {"apiVersion": path.split("/")[2] + "/" + path.split("/")[3], "kind": "EndpointSlice",
                "metadata": {"name": meta["name"] + "-fake", "labels": {
                    "kubernetes.io/service-name": meta["name"],
                    "endpointslice.kubernetes.io/managed-by": "integration-tests",
                    **{key: value for key, value in meta.get("labels", {}).items()}},
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": meta["name"],
                                         "uid": meta["uid"], "controller": True, "blockOwnerDeletion": True}]},
                "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                "endpoints": endpoints}
        try:
            await self._kube.request("POST", path, body)
        except ApiError as error:
            if error.code != 409:
                raise
            await self._kube.request("PATCH", f"{path}/{meta['name']}-fake", body, MERGE_PATCH)
        service["_endpoints"] = endpoints

    async def _patch_status(self, kind: str, item: dict, status: dict) -> None:
        meta = item["metadata"]
        path = await self._kube.path(kind, meta["namespace"], meta["name"], "status")
        # The UID in the body makes the server refuse another object of the same name.
        self._learn(kind, await self._kube.request(
            "PATCH", path, {"metadata": {"uid": meta["uid"]}, "status": status}, MERGE_PATCH))

    async def _delete(self, kind: str, meta: dict, now: bool = False) -> None:
        options = {"preconditions": {"uid": meta["uid"]}, **({"gracePeriodSeconds": 0} if now else {})}
        path = await self._kube.path(kind, meta["namespace"], meta["name"])
        try:
            answer = await self._kube.request("DELETE", path, options)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            return self._forget(kind, meta["uid"])
        if "deletionTimestamp" in answer.get("metadata", {}) and not now:
            self._learn(kind, answer)
        else:
            self._forget(kind, meta["uid"])


def _owner(item: dict) -> str:
    return next((owner["uid"] for owner in item["metadata"].get("ownerReferences", []) if owner.get("controller")), "")


def is_ready(pod: dict) -> bool:
    """As the pod's status says."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def _in_service(pod: dict) -> bool:
    return pod["metadata"].get("labels", {}).get(_TRAFFIC) == "service" and "deletionTimestamp" not in pod["metadata"]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
