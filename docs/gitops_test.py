"""What other tools make of a status: Argo CD by our script, others by kstatus' rules. Run by charts/test."""

import copy
import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Written by conditions_test.cpp, which holds them against the planner.
DOCUMENTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "operator/plan/testdata/status").glob("*.json"))}


def table(page, heading):
    lines = (ROOT / page).read_text().partition(heading)[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]


EXPECTED = {state: (argo, kstatus) for state, argo, kstatus in table("docs/gitops.md", "| state | Argo CD | kstatus |\n"[:-1])}


def file_of(state):
    return re.sub("[ ]", "-", state.replace(",", ""))


def lua(value):
    """The value as Argo CD hands it to a script: tables, and nothing where there is null."""
    match value:
        case dict():
            return "{" + ", ".join(f"[{lua(key)}] = {lua(each)}" for key, each in value.items() if each is not None) + "}"
        case list():
            return "{" + ", ".join(map(lua, value)) + "}"
        case str():
            return '"' + "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else
                                 "".join(f"\\{byte:03d}" for byte in c.encode()) for c in value) + '"'
        case bool():
            return "true" if value else "false"
    return repr(value)


def argo_health(document):
    program = shutil.which("lua5.4") or shutil.which("lua")
    if not program:
        pytest.skip("no lua")
    script = (ROOT / "charts/argocd/health.lua").read_text()
    chunk = (f"obj = {lua(document)}\nlocal function health()\n{script}\nend\nlocal hs = health()\n"
             'io.write(hs.status, "\\n", hs.message)')
    done = subprocess.run([program, "-"], input=chunk, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status, _, message = done.stdout.partition("\n")
    assert status in ("Healthy", "Progressing", "Degraded", "Suspended") and message
    return status, message


def kstatus(document):
    """The rules of kstatus for a kind that it does not know, in its order (checkGenericProperties, then Compute)."""
    if document["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = document.get("status", {})
    if "observedGeneration" in status and status["observedGeneration"] != document["metadata"].get("generation"):
        return "InProgress"
    for condition in status.get("conditions", []):
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    return "Current"


def test_there_is_a_document_and_a_row_for_each_state():
    states = [row[0] for row in table("docs/status.md", "| state | Ready | UpToDate | Validated | Reconciling | Stalled |")]
    assert len(states) > 15
    assert list(EXPECTED) == states
    assert set(DOCUMENTS) == set(map(file_of, states))


@pytest.mark.parametrize("state", EXPECTED)
def test_argo_cd_shows(state):
    status, message = argo_health(DOCUMENTS[file_of(state)])
    assert status == EXPECTED[state][0], message


@pytest.mark.parametrize("state", EXPECTED)
def test_kstatus_says(state):
    document = DOCUMENTS[file_of(state)]
    assert kstatus(document) == EXPECTED[state][1]
    types = [condition["type"] for condition in document["status"]["conditions"]]
    assert len(types) == len(set(types)) == 5


@pytest.mark.parametrize("state", EXPECTED)
def test_a_spec_that_nobody_has_seen_yet_is_under_way(state):
    document = copy.deepcopy(DOCUMENTS[file_of(state)])
    document["metadata"]["generation"] += 1
    assert argo_health(document)[0] == "Progressing" and kstatus(document) == "InProgress"


def test_an_object_without_a_status_is_under_way():
    document = {key: value for key, value in DOCUMENTS["complete"].items() if key != "status"}
    assert argo_health(document)[0] == "Progressing"


def test_a_message_says_why():
    assert "GoldenMismatch" in argo_health(DOCUMENTS["replacing-proof-failed"])[1]
    assert "GoldenMismatch" in argo_health(DOCUMENTS["complete-a-re-check-failed"])[1]
