"""The chart, the plain manifests made from it, and what they may do. Run by charts/test."""

import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE / "pilotlight"
PINNED = (HERE / "helm-version").read_text().strip()
HELM = shutil.which(os.environ.get("HELM") or "helm")
OPERATOR = shutil.which("pilotlight-operator", path=os.environ.get("PILOTLIGHT_BIN", ""))
KUBECTL = shutil.which("kubectl")
PLAIN = {"1.25": HERE / "pilotlight.yaml", "1.20": HERE / "pilotlight-1.20.yaml"}
SYSTEM = "pilotlight-system"
CRD = "modeldeployments.pilotlight.dev"

needs_helm = pytest.mark.skipif(
    not HELM, reason=f"no helm: set HELM, or `CGO_ENABLED=0 go install helm.sh/helm/v3/cmd/helm@{PINNED}`")

# Every switch at least once, and the combinations that touch the same template.
EVERYTHING = """
replicas: 3
watchNamespaces: [team-a, team-b]
logLevel: debug
image: {repository: "registry.example:5000/pilotlight/operator", digest: "sha256:%s"}
imagePullSecrets: [{name: pull}]
podLabels: {team: ml}
podAnnotations: {note: "yes"}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: system-cluster-critical
serviceAccount: {name: other, annotations: {a: b}}
namespace: {create: true}
metrics:
  serviceMonitor: {enabled: true, labels: {release: prometheus}}
  podMonitor: {enabled: true}
  prometheusRule: {enabled: true, labels: {release: prometheus}}
networkPolicy: {enabled: true, metricsFrom: [{namespaceSelector: {}}]}
""" % ("a" * 64)
VALUES = {
    "defaults": "{}",
    "everything": EVERYTHING,
    "another release's objects": "crds: {install: false}\nrbac: {create: false}\nserviceAccount: {create: false, name: x}",
    "no leader election": "leaderElection: false\nmetrics: {service: false}\nresources: null\n",
}


def helm(*args, values="{}", release="pilotlight", verb="template", kubernetes="1.34.0"):
    extra = ["--kube-version", kubernetes] if verb == "template" else []
    return subprocess.run([HELM, verb, release, str(CHART), "-n", SYSTEM, *extra, "-f", "-", *args],
                          input=values, capture_output=True, text=True, timeout=60)


def render(**kwargs):
    done = helm(**kwargs)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def of_kind(objects, kind):
    return [each for each in objects if each["kind"] == kind]


def granted(objects):
    """{(where, resource, verb)} of what the operator's account is bound to, as in rbac.txt."""
    roles = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]): each["rules"]
             for each in objects if each["kind"] in ("Role", "ClusterRole")}
    account = of_kind(objects, "ServiceAccount")[0]["metadata"]
    result = set()
    for binding in of_kind(objects, "RoleBinding") + of_kind(objects, "ClusterRoleBinding"):
        assert [{k: subject.get(k) for k in ("kind", "name", "namespace")} for subject in binding["subjects"]] == \
            [{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}]
        space = binding["metadata"].get("namespace")
        where = "own" if space == SYSTEM else "watched"
        for rule in roles[binding["roleRef"]["kind"], space, binding["roleRef"]["name"]]:
            assert set(rule) - {"resourceNames"} == {"apiGroups", "resources", "verbs"}
            for group, resource, only, verb in itertools.product(
                    rule["apiGroups"], rule["resources"], rule.get("resourceNames", [""]), rule["verbs"]):
                resource, _, sub = resource.partition("/")
                name = resource + ("." + group if group else "") + ("/" + sub if sub else "") + ("=" + only if only else "")
                result.add((where, name, verb))
    return result


def listed():
    rows = [line.split() for line in (HERE / "rbac.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {(where, resource, verb) for where, resource, *verbs in rows for verb in verbs}


def pod_specs(objects):
    return [each["spec"]["template"]["spec"] for each in objects if each["kind"] == "Deployment"]


def assert_restricted(pod):
    """The Pod Security Standard `restricted`, and what else we promise: read-only root, no service links."""
    shared = pod["securityContext"]
    assert shared["runAsNonRoot"] is True and shared["runAsUser"] == 65532
    assert shared["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any(pod.get(shared) for shared in ("hostNetwork", "hostPID", "hostIPC"))
    assert pod["enableServiceLinks"] is False
    assert all(set(volume) - {"name"} <= {"configMap", "secret", "emptyDir", "projected"} for volume in pod.get("volumes", []))
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert "hostPort" not in str(container.get("ports"))


# ---- the chart -------------------------------------------------------------------------------------------------------


@needs_helm
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_lint_finds_nothing(values):
    done = subprocess.run([HELM, "lint", "--strict", str(CHART), "-f", "-"], input=values, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_every_object_has_the_recommended_labels_and_a_name_of_its_own(values):
    objects = render(values=values)
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))
    for each in objects:
        if each["kind"] != "CustomResourceDefinition":
            labels = each["metadata"]["labels"]
            assert {"app.kubernetes.io/" + key for key in ("name", "instance", "version", "part-of", "managed-by")} <= set(labels)


@needs_helm
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_the_operators_pod_is_restricted(values):
    [pod] = pod_specs(render(values=values))
    assert_restricted(pod)


@needs_helm
def test_two_releases_share_no_name():
    def names(release):
        return {(each["kind"], each["metadata"]["name"]) for each in render(release=release) if each["kind"] != "CustomResourceDefinition"}
    assert not names("pilotlight") & names("second")


@needs_helm
@pytest.mark.parametrize("values, complaint", [
    ("replica: 2", "replica"),                                            # a typo
    ("image: {repo: x}", "repo"),                                         # a typo one level down
    ("replicas: two", "replicas"),
    ("logLevel: verbose", "logLevel"),
    ("image: {tag: ''}", "tag"),
    ("image: {digest: 'sha256:12'}", "digest"),
    ("watchNamespaces: team-a", "watchNamespaces"),                       # a string where a list belongs
    ("watchNamespaces: [Team_A]", "watchNamespaces"),
    ("metrics: {podMonitor: {interval: '30'}}", "interval"),              # no unit
    ("replicas: 2\nleaderElection: false", "leaderElection"),             # two that write at once
    ("serviceAccount: {create: false}", "serviceAccount.name"),
    ("metrics: {service: false, serviceMonitor: {enabled: true}}", "metrics.service"),
])
def test_values_that_cannot_be_meant_are_refused_by_name(values, complaint):
    done = helm(values=values)
    assert done.returncode != 0, "accepted:\n" + values
    assert complaint in done.stderr


@needs_helm
def test_every_value_has_a_schema_and_every_schema_a_value():
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(values) == set(schema["properties"]) - {"global"}


@needs_helm
def test_the_crd_has_cel_rules_only_where_the_api_server_takes_them():
    for kubernetes, file in (("1.20.2", "modeldeployments-no-cel.yaml"), ("1.24.17", "modeldeployments-no-cel.yaml"),
                             ("1.25.0", "modeldeployments.yaml"), ("1.29.3-gke.100", "modeldeployments.yaml")):
        [crd] = of_kind(render(kubernetes=kubernetes), "CustomResourceDefinition")
        assert crd["metadata"]["annotations"].pop("helm.sh/resource-policy") == "keep"
        if not crd["metadata"]["annotations"]:
            del crd["metadata"]["annotations"]
        source = yaml.safe_load((HERE.parent / "crds" / file).read_text())
        assert crd == source, f"Kubernetes {kubernetes}"
        assert ("x-kubernetes-validations" in str(crd)) == (file == "modeldeployments.yaml")


@needs_helm
def test_servers_before_1_20_are_refused():
    assert "kubeVersion" in helm(kubernetes="1.19.0").stderr


@needs_helm
def test_the_packaged_chart_renders_the_same(tmp_path):
    subprocess.run([HELM, "package", str(CHART), "-d", str(tmp_path)], check=True, capture_output=True)
    [package] = tmp_path.glob("*.tgz")
    packed = subprocess.run([HELM, "template", "pilotlight", str(package), "-n", SYSTEM, "--kube-version", "1.34.0"],
                            check=True, capture_output=True, text=True).stdout
    assert packed == helm().stdout


@needs_helm
def test_files_made_from_others_are_in_step():
    done = subprocess.run([str(HERE / "generate"), "--check"], capture_output=True, text=True, env={**os.environ, "HELM": HELM})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@needs_helm
def test_the_notes_name_the_objects_that_were_made(tmp_path):
    # Without a cluster Helm shows no notes, so a template of our own includes them.
    chart = shutil.copytree(CHART, tmp_path / "chart")
    (chart / "templates/shown.yaml").write_text(
        'notes: |\n  {{- include (print .Template.BasePath "/NOTES.txt") . | nindent 2 }}\n')
    done = subprocess.run([HELM, "template", "blue", str(chart), "-n", SYSTEM, "--set", "watchNamespaces={team-a}",
                           "-s", "templates/shown.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [deployment] = of_kind(render(release="blue"), "Deployment")
    assert f"-n {SYSTEM} rollout status deployment/{deployment['metadata']['name']}" in done.stdout
    assert "-n team-a" in done.stdout


@needs_helm
def test_alerts_are_asked_for_are_documented_and_use_metrics_that_there_are():
    assert not of_kind(render(), "PrometheusRule")
    [rule] = of_kind(render(values=EVERYTHING), "PrometheusRule")
    docs = (HERE.parent / "docs/metrics.md").read_text()
    for alert in (alert for group in rule["spec"]["groups"] for alert in group["rules"]):
        assert f"`{alert['alert']}`" in docs
        metrics = re.findall(r"pilotlight_[a-z_]+", alert["expr"])
        assert metrics and all(f"`{metric}`" in docs for metric in metrics), alert["expr"]
        assert "{{ $labels.namespace }}/{{ $labels." in alert["annotations"]["description"]


@needs_helm
def test_services_probes_monitors_and_policies_name_ports_that_exist():
    objects = render(values=EVERYTHING)
    [pod] = pod_specs(objects)
    [container] = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    args = dict(arg.lstrip("-").split("=", 1) for arg in container["args"] if "=" in arg)
    assert args["metrics-bind-address"] == f":{ports['metrics']}"
    assert args["health-probe-bind-address"] == f":{ports['health']}"
    assert [container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")] == \
        [{"path": "/healthz", "port": "health"}, {"path": "/readyz", "port": "health"}]
    [service] = of_kind(objects, "Service")
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["metrics"]
    [monitor] = of_kind(objects, "ServiceMonitor")
    assert [end["port"] for end in monitor["spec"]["endpoints"]] == [port["name"] for port in service["spec"]["ports"]]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    [policy] = of_kind(objects, "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]] == ["metrics"]
    [deployment] = of_kind(objects, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    for selector in (service["spec"]["selector"], policy["spec"]["podSelector"]["matchLabels"],
                     deployment["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels


@needs_helm
@pytest.mark.skipif(not OPERATOR, reason="no pilotlight-operator: set PILOTLIGHT_BIN to the folder of a build")
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_the_operator_knows_the_flags_it_is_given(values):
    text = subprocess.run([OPERATOR, "--help"], capture_output=True, text=True, check=True, timeout=20).stdout
    known = set(re.findall(r"--[a-z][-a-z]*", text))
    [pod] = pod_specs(render(values=values))
    assert {arg.split("=")[0] for arg in pod["containers"][0]["args"]} <= known
    levels = json.loads((CHART / "values.schema.json").read_text())["properties"]["logLevel"]["enum"]
    assert "{" + ",".join(levels) + "}" in text


# ---- who may do what -------------------------------------------------------------------------------------------------


@needs_helm
def test_the_operator_may_do_what_rbac_txt_lists_and_nothing_else():
    objects = render()
    assert granted(objects) == listed()
    assert len(of_kind(objects, "ClusterRoleBinding")) == 1


@needs_helm
def test_with_watch_namespaces_the_same_is_granted_in_those_only():
    objects = render(values="watchNamespaces: [team-a, team-b]")
    assert granted(objects) == listed()
    assert not of_kind(objects, "ClusterRoleBinding")
    assert sorted(each["metadata"]["namespace"] for each in of_kind(objects, "RoleBinding")) == [SYSTEM, SYSTEM, "team-a", "team-b"]
    [args] = [pod["containers"][0]["args"] for pod in pod_specs(objects)]
    assert "--watch-namespaces=team-a,team-b" in args


@needs_helm
def test_watching_its_own_namespace_keeps_the_lease_and_the_work_apart():
    objects = render(values=f"watchNamespaces: [{SYSTEM}]")
    assert {(name, verb) for _, name, verb in granted(objects)} == {(name, verb) for _, name, verb in listed()}


@needs_helm
def test_nothing_may_read_secrets_but_its_own_key_or_use_wildcards():
    for each in render():
        for rule in each.get("rules", []):
            if "secrets" in rule["resources"]:
                assert (each["kind"], each["metadata"]["namespace"]) == ("Role", SYSTEM)
                assert rule["verbs"] == (["get"] if rule.get("resourceNames") == ["pilotlight-operator-key"] else ["create"])
            assert "*" not in rule["resources"] + rule["verbs"] + rule["apiGroups"]


# ---- the plain manifests, with or without helm -----------------------------------------------------------------------


@pytest.mark.parametrize("file", PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_manifest_is_whole(file):
    objects = [each for each in yaml.safe_load_all(file.read_text()) if each]
    [namespace] = of_kind(objects, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert len(of_kind(objects, "CustomResourceDefinition")) == 1
    [pod] = pod_specs(objects)
    assert_restricted(pod)
    assert granted(objects) == listed()
    assert "Helm" not in {each["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") for each in objects}
    # `kubectl apply` keeps a copy of each object in an annotation, and all annotations together are at most 256 KiB.
    assert all(len(str(each)) < 200 << 10 for each in objects)


def test_the_copies_of_the_crds_are_in_step():
    for file in ("modeldeployments.yaml", "modeldeployments-no-cel.yaml"):
        assert (CHART / "files/crds" / file).read_bytes() == (HERE.parent / "crds" / file).read_bytes(), "run charts/generate"


# ---- on a real cluster -----------------------------------------------------------------------------------------------


def kubectl(*args, **kwargs):
    return subprocess.run([KUBECTL, "--request-timeout=20s", *args], capture_output=True, text=True, timeout=60, **kwargs)


@pytest.fixture(scope="module")
def cluster():
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster: KUBECONFIG is not set")
    if not KUBECTL:
        pytest.skip("no kubectl")
    done = kubectl("get", "crd", CRD, "-o", "name")
    if done.returncode:
        pytest.skip(f"Pilotlight is not installed on the cluster that KUBECONFIG names: {done.stderr.strip()[-200:]}")
    version = yaml.safe_load(kubectl("version", "-o", "json").stdout)["serverVersion"]
    return int(version["major"]), int("".join(filter(str.isdigit, version["minor"])))


def test_the_api_server_takes_the_manifest_as_it_is(cluster):
    file = PLAIN["1.25" if cluster >= (1, 25) else "1.20"]
    # Server-side apply is stricter with old servers: keys of lists, such as a port's protocol, must be there.
    for flags in ([], ["--server-side", "--force-conflicts"]):
        done = kubectl("apply", "--dry-run=server", *flags, "-f", str(file))
        assert done.returncode == 0, done.stderr


def test_can_i_list_says_what_rbac_txt_lists(cluster):
    def can(account, namespace):
        """{(resource, verb)} that `kubectl auth can-i --list` shows for an account, paths such as /healthz left out. Its
        columns: resource, paths, names, verbs."""
        text = kubectl("auth", "can-i", "--list", "-n", namespace, f"--as=system:serviceaccount:{account}").stdout
        rows = [line.split("[") for line in text.splitlines()[1:]]
        assert rows, f"no answer for {account}"
        words = lambda column: column.strip().rstrip("]").split()
        return {(row[0].strip() + ("=" + name if name else ""), verb) for row in rows if row[0].strip()
                for name in words(row[-2]) or [""] for verb in words(row[-1])}
    account = f"{SYSTEM}:pilotlight-operator"
    for namespace, places in (("default", {"watched"}), (SYSTEM, {"watched", "own"})):
        everybody = can("default:nobody-in-particular", namespace)
        assert can(account, namespace) - everybody == {(name, verb) for where, name, verb in listed() if where in places}


def test_serving_pods_on_the_cluster_are_restricted_and_get_no_token(cluster):
    found = yaml.safe_load(kubectl("get", "pods", "-A", "-l", "app.kubernetes.io/managed-by=pilotlight", "-o", "json").stdout)
    if not found["items"]:
        pytest.skip("no model is served on the cluster now")
    for pod in (each["spec"] for each in found["items"]):
        assert_restricted({**pod, "volumes": [volume for volume in pod["volumes"] if "persistentVolumeClaim" not in volume]})
        assert pod["automountServiceAccountToken"] is False
        assert not any("serviceaccount" in mount["mountPath"] for each in pod["containers"] for mount in each["volumeMounts"])
