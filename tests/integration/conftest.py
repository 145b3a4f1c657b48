"""Fixtures of the integration tests. README.md in this folder says what they are and what they need."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from harness.background import Background
from harness.certificates import signing_key
from harness.cluster import Cluster
from harness.controlplane import OPERATOR_NAMESPACE, ControlPlane, find_program
from harness.kube import ApiError
from harness.operator import find_operator
from harness.processes import eventually
from harness.scene import Scene, Stage
from harness.story import Expected
from harness.together import Together

ROOT = Path(__file__).resolve().parents[2]
FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """A control plane with the resource and the operator's rights, and the stand-ins for the rest of a cluster."""
    for program in ("kube-apiserver", "etcd"):
        if not find_program(program):
            pytest.skip(f"no {program}: set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd")
    folder = Path(tempfile.mkdtemp(prefix="pilotlight-integration-"))
    background = Background()
    plane = ControlPlane(folder, background)
    cluster = Cluster(background, plane.kube)
    try:
        plane.start()
        install(plane)
        cluster.start()
        yield Stage(folder, background, plane, cluster)
    finally:
        cluster.stop()
        plane.stop()
        background.stop()
        if not os.environ.get("PILOTLIGHT_KEEP"):
            keep_logs_only(folder)


def install(plane: ControlPlane) -> None:
    """The resource, the rights that the chart gives the operator, with a token in place of a service account, and its key."""
    old = plane.version() < (1, 25)
    crd = yaml.safe_load((ROOT / "crds" / ("modeldeployments-no-cel.yaml" if old else "modeldeployments.yaml")).read_text())
    plane.kube.apply("customresourcedefinitions", crd)
    plane.kube.create("namespaces", {"metadata": {"name": OPERATOR_NAMESPACE}})
    manifest = ROOT / "charts" / ("pilotlight-1.20.yaml" if old else "pilotlight.yaml")
    for item in yaml.safe_load_all(manifest.read_text()):
        if item and item["apiVersion"].startswith("rbac.authorization.k8s.io/"):
            plane.kube.apply(item["kind"].lower() + "s", item, item["metadata"].get("namespace", ""))

    # As after the very first start: a run in which the operator makes its key has one write more.
    plane.kube.create("secrets", {"metadata": {"name": "pilotlight-operator-key"},
                                  "stringData": {"operator.pem": signing_key()}}, OPERATOR_NAMESPACE)

    def served() -> bool:
        try:
            return plane.kube.list("modeldeployments") == []
        except (LookupError, ApiError):
            return False

    eventually("the API server serves modeldeployments", served)


def keep_logs_only(folder: Path) -> None:
    """What failed is worth reading; the data base is not."""
    for part in ("etcd", "certificates"):
        shutil.rmtree(folder / part, ignore_errors=True)
    if not any(folder.glob("scene-*/state.json")):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def operator_program() -> Path:
    found = find_operator()
    if not found:
        pytest.skip("no pilotlight-operator: build it, or set PILOTLIGHT_BIN to the folder that it is in")
    return found


@pytest.fixture
def scene(stage: Stage, operator_program: Path, request: pytest.FixtureRequest) -> Iterator[Scene | None]:
    """An operator that watches one namespace through a proxy. Tests that play together get theirs when they play."""
    if request.node.get_closest_marker("together"):
        yield None
        return
    with stage.scene() as each:
        yield each
        if request.node.stash.get(FAILED, False):
            print(each.note_failure())


@pytest.fixture(scope="session")
def expected(stage: Stage, operator_program: Path) -> Iterator[Expected]:
    """How undisturbed runs end, and by how many writes they get there."""
    with ThreadPoolExecutor(1) as pool:
        yield Expected(stage, pool)


@pytest.fixture(scope="session")
def together(stage: Stage, operator_program: Path, expected: Expected,
             request: pytest.FixtureRequest) -> Iterator[Together]:
    items = [item for item in request.session.items if item.get_closest_marker("together")]
    plays = Together(stage, {"expected": expected, "operator_program": operator_program}, items)
    yield plays
    plays.stop()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "together: plays at the same time as the others that have this mark")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # First the harness; last those that want the cluster for themselves.
    def turn(item: pytest.Item) -> int:
        return 0 if item.path.stem == "test_harness" else 1 if item.get_closest_marker("together") else 2

    items.sort(key=turn)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not pyfuncitem.get_closest_marker("together"):
        return None
    pyfuncitem._request.getfixturevalue("together").result(pyfuncitem)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report
