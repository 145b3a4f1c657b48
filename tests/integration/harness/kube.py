"""A small Kubernetes client for tests and fakes: paths and dictionaries, nothing cached, nothing retried."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator

import aiohttp

from harness.background import Background

# Where each resource that the tests speak of is served; a newer version is used where the server has it.
_GROUPS = {
    "namespaces": ["/api/v1"], "pods": ["/api/v1"], "services": ["/api/v1"], "configmaps": ["/api/v1"],
    "secrets": ["/api/v1"],
    "replicasets": ["/apis/apps/v1"], "leases": ["/apis/coordination.k8s.io/v1"],
    "modeldeployments": ["/apis/pilotlight.dev/v1alpha1"], "events": ["/apis/events.k8s.io/v1"],
    "customresourcedefinitions": ["/apis/apiextensions.k8s.io/v1"],
    "clusterroles": ["/apis/rbac.authorization.k8s.io/v1"],
    "clusterrolebindings": ["/apis/rbac.authorization.k8s.io/v1"],
    "roles": ["/apis/rbac.authorization.k8s.io/v1"], "rolebindings": ["/apis/rbac.authorization.k8s.io/v1"],
    "poddisruptionbudgets": ["/apis/policy/v1", "/apis/policy/v1beta1"],
    "endpointslices": ["/apis/discovery.k8s.io/v1", "/apis/discovery.k8s.io/v1beta1"],
}
_CLUSTER_SCOPED = {"namespaces", "customresourcedefinitions", "clusterroles", "clusterrolebindings"}

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ApiError(Exception):
    def __init__(self, method: str, path: str, code: int, body: str) -> None:
        super().__init__(f"{method} {path}: {code} {body[:500]}")
        self.code = code


class Kube:
    """Coroutines are for the background loop; the methods at the end do the same from any other thread."""

    def __init__(self, background: Background, url: str, tls: ssl.SSLContext, token: str) -> None:
        self._background = background
        self._url = url
        self._tls = tls
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "integration-tests"}
        self._session: aiohttp.ClientSession | None = None
        self._served: dict[str, str] = {}

    async def raw(self, method: str, path: str, body: object = None, content_type: str = "application/json",
                  params: dict | None = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body)
        async with self._open().request(
                method, self._url + path, data=data, params=params, ssl=self._tls,
                headers={**self._headers, "Content-Type": content_type},
                timeout=aiohttp.ClientTimeout(total=30)) as answer:
            return answer.status, await answer.text()

    async def request(self, method: str, path: str, body: object = None, content_type: str = "application/json",
                      params: dict | None = None) -> dict:
        code, text = await self.raw(method, path, body, content_type, params)
        if code >= 400:
            raise ApiError(method, path, code, text)
        return json.loads(text)

    async def path(self, resource: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
        if resource not in self._served:
            for prefix in _GROUPS[resource]:
                code, text = await self.raw("GET", prefix)
                if code == 200 and any(each["name"] == resource for each in json.loads(text)["resources"]):
                    self._served[resource] = prefix
                    break
            else:
                raise LookupError(f"the API server does not serve {resource}")
        parts = [self._served[resource]]
        if namespace and resource not in _CLUSTER_SCOPED:
            parts += ["namespaces", namespace]
        return "/".join([*parts, resource, *filter(None, [name, subresource])])

    async def watch(self, resource: str, version: str) -> AsyncIterator[dict]:
        """Every event after `version`, in all namespaces, until the server ends the stream."""
        params = {"watch": "true", "resourceVersion": version}
        async with self._open().get(self._url + await self.path(resource), params=params, ssl=self._tls,
                                    headers=self._headers, timeout=aiohttp.ClientTimeout(total=None),
                                    read_bufsize=2**22) as answer:
            if answer.status != 200:
                raise ApiError("WATCH", resource, answer.status, await answer.text())
            async for line in answer.content:
                yield json.loads(line)

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session

    # The same, for tests.

    def get(self, resource: str, namespace: str = "", name: str = "") -> dict | None:
        """None if there is no such object."""
        try:
            return self._run("GET", resource, namespace, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, resource: str, namespace: str = "", selector: str = "") -> list[dict]:
        params = {"labelSelector": selector} if selector else None
        return self._run("GET", resource, namespace, params=params)["items"]

    def create(self, resource: str, body: dict, namespace: str = "") -> dict:
        return self._run("POST", resource, namespace, body=body)

    def apply(self, resource: str, body: dict, namespace: str = "", manager: str = "tests") -> dict:
        """Server-side apply, as `kubectl apply --server-side --force-conflicts` does."""
        return self._run("PATCH", resource, namespace, body["metadata"]["name"], body=body, content_type=APPLY_PATCH,
                         params={"fieldManager": manager, "force": "true"})

    def patch(self, resource: str, namespace: str, name: str, body: dict, subresource: str = "") -> dict:
        return self._run("PATCH", resource, namespace, name, subresource, body, MERGE_PATCH)

    def delete(self, resource: str, namespace: str, name: str, **options: object) -> None:
        try:
            self._run("DELETE", resource, namespace, name, body=options or None)
        except ApiError as error:
            if error.code != 404:
                raise

    def _run(self, method: str, resource: str, namespace: str = "", name: str = "", subresource: str = "",
             body: object = None, content_type: str = "application/json", params: dict | None = None) -> dict:
        async def work() -> dict:
            path = await self.path(resource, namespace, name, subresource)
            return await self.request(method, path, body, content_type, params)

        return self._background.run(work())


async def retrying(what, pause: float = 0.2) -> None:
    """Runs the coroutine function `what` again and again, whatever the network or the server does to it."""
    while True:
        try:
            await what()
        except (aiohttp.ClientError, OSError, ApiError, asyncio.TimeoutError, json.JSONDecodeError):
            pass
        await asyncio.sleep(pause)
