"""What the end-to-end tests share. `./dev test e2e` sets the scene: a cluster, the operator on it, and the address of
this host as pods see it."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / part) for part in ("e2e", "tests/integration", "tools", "tools/tests", "examples/digits")]

from kube import Kube, settled  # noqa: E402
from sidecar import Sidecar  # noqa: E402
from store import Store  # noqa: E402


def pytest_sessionstart(session):
    missing = [name for name in ("KUBECONFIG", "PILOTLIGHT_HOST_ADDRESS") if not os.environ.get(name)]
    if missing and not session.config.option.collectonly:
        pytest.exit(f"{' and '.join(missing)} not set: run these tests by ./dev test e2e", returncode=2)


FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def figures(pytestconfig):
    """What is appended to it is printed at the end, passed or not."""
    return pytestconfig.stash.setdefault(FIGURES, [])


def pytest_terminal_summary(terminalreporter, config):
    if lines := config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(lines))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the operator logged and has in hand goes with a failure: it may be another one a minute later."""
    report = (yield).get_result()
    if report.when != "call" or not report.failed:
        return
    system = Kube("pilotlight-system")
    pod = system.run("get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "name", check=False).split("\n")[0]
    path = f"/api/v1/namespaces/{system.namespace}/pods/{pod.removeprefix('pod/')}:8080/proxy/metrics"
    telling = ("workqueue_", "controller_runtime_reconcile_", "reflector_", "stale_sync_", "rest_client_requests_total")
    metrics = system.run("get", "--raw", path, check=False).splitlines()
    report.sections.append(("operator's log", system.run("logs", pod, "--since=5m", check=False)[-5000:]))
    report.sections.append(("operator's metrics", "\n".join(
        line for line in metrics if line.startswith(telling) and "_bucket" not in line)))


@pytest.fixture(scope="session")
def system():
    """The operator's namespace."""
    return Kube("pilotlight-system")


@pytest.fixture(scope="session")
def kube():
    """A namespace of this run's own, gone afterwards with all that is in it."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    kube = Kube(name)
    kube.run("create", "namespace", name)
    yield kube
    kube.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def store():
    store = Store(os.environ["PILOTLIGHT_HOST_ADDRESS"])
    yield store
    store.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where bundles are made, once in a run."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture
def deploy(kube):
    """deploy(name, uri, …) applies a ModelDeployment and returns its last state once it serves; deleted afterwards."""
    names = []

    def call(name, uri, *, digest=None, signature=None, format=None, wait=True, **spec):
        names.append(name)
        given = {"digest": digest, "signature": signature, "format": format}
        model = {"uri": uri, **{field: value for field, value in given.items() if value}}
        kube.apply(manifest(name, {"model": model, **spec}))
        return kube.until("modeldeployment", name, lambda m: settled(m, "UpToDate")) if wait else None

    yield call
    for name in names:
        kube.delete("modeldeployment", name)


@pytest.fixture
def verify():
    """verify(argument…) runs `kubectl pilotlight verify`, and returns how it ended."""
    program = _program("kubectl-pilotlight")

    def run(*arguments):
        return subprocess.run([program, "verify", *map(str, arguments)], capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def serve():
    """serve(file, argument…) starts a Sidecar of this host, and returns it once it is ready or has given up."""
    program = _program("pilotlight-sidecar")
    running = []

    def call(bundle, *arguments):
        running.append(Sidecar(program, bundle, arguments))
        return running[-1]

    yield call
    for sidecar in running:
        sidecar.close()


def _program(name: str) -> Path:
    program = Path(os.environ.get("PILOTLIGHT_BIN", "build/release/bin")) / name
    if not program.exists():
        pytest.skip(f"no {program}: ./dev build release")
    return program


def manifest(name, spec):
    return {"apiVersion": "pilotlight.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": name}, "spec": spec}
