"""What the documents say, held against what there is. Run by charts/test."""

import functools
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("charts", "docs", "examples", "e2e", "tests", "tools", "bench")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])


def text(path):
    return (ROOT / path).read_text()


def sources(*folders):
    return "\n".join(file.read_text() for folder in folders for file in (ROOT / folder).rglob("*.cpp")
                     if not file.name.endswith("_test.cpp") and "testing" not in file.parts)


@functools.cache
def dev_commands():
    usage = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\./dev ([a-z]+)", usage, re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)
    broken = [link for link in links if not re.match(r"[a-z]+:|#", link) and not (page.parent / link.split("#")[0]).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_dev_command_exists(page):
    assert set(re.findall(r"\./dev ([a-z]+)", page.read_text())) <= dev_commands() | {"help"}


def test_metrics_md_names_the_metrics_that_there_are():
    found = set(re.findall(r'"((?:pilotlight|nv_inference)_[a-z0-9_]+)"', text("sidecar/front/metrics.cpp")))
    found |= set(re.findall(r'(?:Counter|Gauge|Histogram|Count)\(\s*"([a-z0-9_]+)"', sources("operator")))
    assert len(found) > 30, "the expressions above no longer find them"
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)[`=\s]", text("docs/metrics.md")))
    assert found - named == set(), "not in docs/metrics.md"
    assert named - found == set(), "in docs/metrics.md, but not in the sources"


def test_failures_md_explains_every_reason_of_the_contract():
    contract = text("docs/sidecar.md").partition("| class | reasons |")[2].partition("\n\n")[0]
    reasons = set(re.findall(r"`([A-Z][A-Za-z]+)`", contract))
    assert len(reasons) > 15
    assert reasons - set(re.findall(r"`([A-Z][A-Za-z]+)`", text("docs/failures.md"))) == set()


def test_failures_md_explains_every_trouble_that_the_operator_names():
    found = set(re.findall(r'(?:Wrong\(|Waiting\{|Problem\{|Refused\()\s*"([A-Z][A-Za-z]+)"', sources("operator/plan", "operator/control")))
    assert len(found) > 10, "the expression above no longer finds them"
    assert found - set(re.findall(r"`([A-Z][A-Za-z]+)`", text("docs/failures.md"))) == set()


def test_analysis_md_explains_every_reason_of_a_verdict():
    found = set(re.findall(r'(?:Outcome::k\w+,|Wait\(|return)\s*"([A-Z][A-Za-z]+)"', text("operator/analysis/judge.cpp")))
    assert len(found) > 10, "the expression above no longer finds them"
    assert found == set(re.findall(r"`([A-Z][A-Za-z]+)`", text("docs/analysis.md").partition("## Reasons")[2])) - {
        "Pass", "Fail", "Inconclusive"}


def test_the_python_of_analysis_md_gives_the_number_that_it_says(capsys):
    code = re.search(r"```python\n(from math.*?)```", text("docs/analysis.md"), re.S).group(1)
    exec(code, {})
    said = re.search(r"print\(.*# ([0-9.]+)", code).group(1)
    assert f"{float(capsys.readouterr().out):.2f}" == said
    assert said in text("operator/analysis/sentence_test.cpp")


def test_the_index_lists_every_design_record_once():
    records = sorted(path.name for path in (ROOT / "docs/designs").glob("[0-9]*.md"))
    assert sorted(re.findall(r"\(([0-9][^)]*\.md)\)", text("docs/designs/README.md"))) == records
    numbers = [name[:4] for name in records]
    assert len(numbers) == len(set(numbers)), "a number was given twice"


def test_rbac_is_explained_line_by_line():
    rows = [line.split()[1] for line in text("charts/rbac.txt").splitlines() if line and line[0] != "#"]
    resources = {word for row in rows for word in row.split(".")[0].split("=")}
    table = text("docs/install.md").partition("## Who may do what")[2]
    assert all(f"`{resource}`" in table for resource in resources)
