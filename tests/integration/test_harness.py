"""What the other tests stand on, tested without the operator: the proxy's faults and the stand-ins of a cluster."""

import asyncio
import json
import time

import aiohttp
import pytest
import requests

from harness.cluster import is_ready
from harness.controlplane import ADMIN_TOKEN
from harness.faults import Answer, Cut, EndWatch, Hang, LoseAnswer, Reset, Slow, Then
from harness.kube import ApiError, Kube
from harness.processes import eventually
from harness.proxy import Proxy
from harness.scene import PIN, TRAFFIC
from harness.sidecar import failing

LABELS = {"app.kubernetes.io/instance": "m", TRAFFIC: "none"}


@pytest.fixture
def proxy(stage):
    plane = stage.control_plane
    proxy = Proxy(stage.background, plane.url, plane.ssl_context(), plane.server_files, ADMIN_TOKEN)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def client(stage, proxy):
    """A client that reaches the API server through the proxy."""
    client = Kube(stage.background, proxy.url, stage.control_plane.ssl_context(), ADMIN_TOKEN)
    yield client
    stage.background.run(client.close())


@pytest.fixture
def namespace(stage, request):
    name = "harness-" + str(abs(hash(request.node.name)) % 10**8)
    stage.control_plane.kube.create("namespaces", {"metadata": {"name": name}})
    yield name
    stage.cluster.empty(name)


def config_map(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def watched(stage, client: Kube, version: str, limit: int) -> list[dict]:
    """Up to `limit` events that a watch of config maps delivers; a connection that breaks ends it with `broken`."""
    async def follow() -> list[dict]:
        events = []
        try:
            async with asyncio.timeout(10):
                async for event in client.watch("configmaps", version):
                    events.append(event)
                    if len(events) == limit:
                        break
        except (aiohttp.ClientError, ConnectionError):
            events.append({"type": "broken"})
        return events

    return stage.background.run(follow())


def test_proxy_hands_calls_through_and_notes_them(client, proxy, namespace):
    client.create("configmaps", config_map("a", x="1"), namespace)
    assert client.get("configmaps", namespace, "a")["data"] == {"x": "1"}
    assert client.get("configmaps", namespace, "b") is None
    write, = proxy.writes()
    assert (write.verb, write.resource, write.namespace, write.status) == ("create", "configmaps", namespace, 201)
    assert [call.status for call in proxy.calls(verb="get", resource="configmaps")] == [200, 404]
    assert write.agent == "integration-tests"


def test_proxy_hands_on_the_clients_own_rights(stage, proxy):
    stranger = Kube(stage.background, proxy.url, stage.control_plane.ssl_context(), "no-such-token")
    code, _ = stage.background.run(stranger.raw("GET", "/api/v1/namespaces"))
    stage.background.run(stranger.close())
    assert code == 401


def test_proxy_answers_in_the_servers_place_on_the_nth_call(client, proxy, namespace):
    proxy.when(Answer(429, "TooManyRequests", headers={"Retry-After": "1"}), nth=2, verb="create", resource="configmaps")
    client.create("configmaps", config_map("a"), namespace)
    with pytest.raises(ApiError) as refused:
        client.create("configmaps", config_map("b"), namespace)
    assert refused.value.code == 429 and '"reason": "TooManyRequests"' in str(refused.value)
    assert client.get("configmaps", namespace, "b") is None
    client.create("configmaps", config_map("b"), namespace)


def test_proxy_sends_retry_after(stage, proxy):
    proxy.when(Answer(503, headers={"Retry-After": "7"}))
    answer = requests.get(proxy.url + "/api", verify=stage.control_plane.authority.ca, timeout=5)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


def test_proxy_loses_an_answer_after_it_was_applied(client, proxy, namespace):
    proxy.when(LoseAnswer(), verb="create", resource="configmaps")
    with pytest.raises(aiohttp.ClientError):
        client.create("configmaps", config_map("a"), namespace)
    assert client.get("configmaps", namespace, "a")
    call, = proxy.writes()
    assert call.status == 0 and "LoseAnswer" in call.fault


@pytest.mark.parametrize("fault", [Reset(), Then(before=lambda: None)])
def test_proxy_breaks_a_connection_before_the_server_hears_of_it(client, proxy, namespace, fault):
    proxy.when(fault, verb="create", resource="configmaps")
    with pytest.raises(aiohttp.ClientError):
        client.create("configmaps", config_map("a"), namespace)
    assert client.get("configmaps", namespace, "a") is None


def test_proxy_is_slow(client, proxy, namespace):
    proxy.when(Slow(0.3), verb="get")
    begin = time.monotonic()
    client.get("configmaps", namespace, "a")
    assert time.monotonic() - begin >= 0.3


def test_proxy_hangs_until_it_is_healed(stage, client, proxy):
    proxy.when(Hang(), verb="create", resource="namespaces")
    call = asyncio.run_coroutine_threadsafe(client.raw("POST", "/api/v1/namespaces", {}), stage.background.loop)
    eventually("the call is under way", lambda: proxy.writes())
    assert not call.done()
    proxy.heal()
    with pytest.raises(aiohttp.ClientError):
        call.result(5)


def test_proxy_cuts_an_answer_inside_its_body(client, proxy):
    proxy.when(Cut(bytes=10), verb="list", resource="namespaces")
    with pytest.raises(aiohttp.ClientError):
        client.list("namespaces")
    assert client.list("namespaces")


@pytest.mark.parametrize("fault, expected", [
    (Cut(events=2), ["ADDED", "ADDED", "broken"]),
    (Cut(bytes=0), ["broken"]),
    (EndWatch(after_events=1), ["ADDED"]),
    (EndWatch.with_error(1, 410, "Expired"), ["ADDED", "ERROR"]),
])
def test_proxy_ends_a_watch_as_told(stage, client, proxy, namespace, fault, expected):
    version = client.create("configmaps", config_map("first"), namespace)["metadata"]["resourceVersion"]
    for name in "abc":
        client.create("configmaps", config_map(name), namespace)
    proxy.when(fault, verb="watch", resource="configmaps")
    events = watched(stage, client, version, 4)
    assert [event["type"] for event in events] == expected
    if "ERROR" in expected:
        assert events[-1]["object"]["code"] == 410


def test_proxy_cuts_a_watch_inside_an_event(stage, client, proxy, namespace):
    version = client.create("configmaps", config_map("first"), namespace)["metadata"]["resourceVersion"]
    client.create("configmaps", config_map("a"), namespace)
    length = len(json.dumps(watched(stage, client, version, 1)[0]))
    proxy.when(Cut(bytes=length // 2), verb="watch", resource="configmaps")
    assert [event["type"] for event in watched(stage, client, version, 1)] == ["broken"]


def test_proxy_refuses_connections_and_accepts_them_again(client, proxy):
    client.list("namespaces")
    proxy.refuse()
    with pytest.raises(aiohttp.ClientConnectorError):
        client.list("namespaces")
    proxy.accept()
    assert client.list("namespaces")


def make_replica_set(stage, namespace: str, replicas: int, uri: str = "https://models.invalid/m.tar") -> dict:
    """As the operator makes one, as far as the stand-ins look."""
    kube = stage.control_plane.kube
    config = {"revision": "m-1", "model": {"uri": uri}}
    kube.create("configmaps", config_map("m-1", **{"config.json": json.dumps(config)}), namespace)
    return kube.create("replicasets", {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "m-1"}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app.kubernetes.io/instance": "m"}},
            "template": {"metadata": {"labels": LABELS}, "spec": {
                "containers": [{"name": "sidecar", "image": "i", "env": [{"name": "PILOTLIGHT_DIGEST", "valueFrom": {
                    "fieldRef": {"fieldPath": f"metadata.annotations['{PIN}']"}}}]}],
                "volumes": [{"name": "config", "configMap": {"name": "m-1"}}]}}}}, namespace)


def ready_pods(stage, namespace: str) -> list[dict]:
    return [pod for pod in stage.control_plane.kube.list("pods", namespace)
            if is_ready(pod)]


def test_stand_ins_make_pods_that_become_ready_and_answer(stage, namespace):
    make_replica_set(stage, namespace, 3)
    kube = stage.control_plane.kube
    eventually("3 pods are ready", lambda: len(ready_pods(stage, namespace)) == 3)
    eventually("the ReplicaSet's status says so",
               lambda: kube.get("replicasets", namespace, "m-1")["status"].get("readyReplicas") == 3)
    pods = ready_pods(stage, namespace)
    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    document = requests.get(f"http://{pods[0]['status']['podIP']}:{stage.cluster.admin_port}/status", timeout=5).json()
    assert document["podUID"] == pods[0]["metadata"]["uid"] and document["ready"] and document["proof"]["digest"]
    kube.patch("replicasets", namespace, "m-1", {"spec": {"replicas": 1}})
    eventually("1 pod is left", lambda: len(kube.list("pods", namespace)) == 1)
    kube.delete("replicasets", namespace, "m-1")
    stage.cluster.collect_garbage(namespace)
    eventually("no pod is left", lambda: not kube.list("pods", namespace))


def test_stand_ins_keep_a_pod_unready_that_fails_its_proof(stage, namespace):
    stage.cluster.script(namespace, "https://models.invalid/bad.tar", failing("Revision", "GoldenMismatch"))
    make_replica_set(stage, namespace, 1, "https://models.invalid/bad.tar")

    def failed() -> bool:
        return any(each.document.get("failure", {}).get("reason") == "GoldenMismatch"
                   for each in stage.cluster.sidecars(namespace))

    eventually("the sidecar has failed", failed)
    assert ready_pods(stage, namespace) == []


def test_stand_ins_list_endpoints(stage, namespace):
    make_replica_set(stage, namespace, 2)
    kube = stage.control_plane.kube
    kube.create("services", {"metadata": {"name": "m"}, "spec": {"selector": LABELS, "ports": [{"port": 80}]}}, namespace)

    def listed() -> list[dict]:
        slices = kube.list("endpointslices", namespace, "kubernetes.io/service-name=m")
        return [each for item in slices for each in item["endpoints"] or [] if each["conditions"]["ready"]]

    eventually("both pods are listed as ready", lambda: len(listed()) == 2)
    assert {each["targetRef"]["uid"] for each in listed()} == {
        pod["metadata"]["uid"] for pod in kube.list("pods", namespace)}


def test_stand_ins_notice_an_unproven_pod_in_the_service(stage, namespace):
    make_replica_set(stage, namespace, 1)
    eventually("the pod is ready", lambda: ready_pods(stage, namespace))
    kube = stage.control_plane.kube
    name = kube.list("pods", namespace)[0]["metadata"]["name"]
    kube.patch("pods", namespace, name, {"metadata": {"labels": {TRAFFIC: "service"}}})
    eventually("that is noticed", lambda: stage.cluster.history(namespace).broken)


def test_api_server_restarts_and_everyone_comes_back(stage, namespace):
    make_replica_set(stage, namespace, 1)
    eventually("the pod is ready", lambda: ready_pods(stage, namespace))
    stage.control_plane.restart_apiserver()
    stage.control_plane.kube.patch("replicasets", namespace, "m-1", {"spec": {"replicas": 2}})
    eventually("there is a second pod", lambda: len(ready_pods(stage, namespace)) == 2)
