"""Renders the chart for each case with Helm's own code, and checks what comes out against Kubernetes' schemas.

Called by `cargo xtask chart`: render.py CHART CASES REFUSED OUTPUT. Each file of CASES becomes one of OUTPUT; those that are committed become one of OUTPUT/manifests.
"""

import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

RELEASE = "kxdns"
NAMESPACE = "kube-system"
# The oldest that the chart takes, and the newest whose schemas there are.
VERSIONS = ["1.30", "1.37"]
# Kinds of the Prometheus operator, which is no part of Kubernetes.
WITHOUT_SCHEMA = {"ServiceMonitor", "PrometheusRule"}
# Cases that are also plain manifests, and how to use those.
MANIFESTS = {
    "accelerate": "kxdns in front of the cluster's DNS: kubectl apply --server-side -f accelerate.yaml",
    "serve": "kxdns as the cluster's DNS; the Service kube-dns has to be told so: see deploy/chart/README.md",
    "cleanup": "Takes kxdns off the nodes: apply it, wait for the rollout, delete it",
}
# Labels that say that Helm has made an object.
HELM = ["helm.sh/chart", "app.kubernetes.io/managed-by"]
# In the order in which they can be applied.
ORDER = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ConfigMap", "Service"]


def objects(chart, values):
    """The objects of a release with these values, in the order in which they can be applied."""
    rendered = chart.render(values, name=RELEASE, namespace=NAMESPACE)
    found = []
    for path, text in sorted(rendered.items()):
        if path.endswith(".yaml"):
            found.extend(item for item in yaml.safe_load_all(text) if item is not None)
    place = lambda item: ORDER.index(item["kind"]) if item["kind"] in ORDER else len(ORDER)
    return sorted(found, key=place)


def faults_of(item):
    """What the schemas have against an object."""
    if item["kind"] in WITHOUT_SCHEMA:
        return
    name = f"{item['kind']} {item['metadata']['name']}"
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(item, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            place = "/".join(map(str, error.path))
            yield f"Kubernetes {version} refuses {name} at /{place}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{name}: {error.message}"


def plain(value):
    """A value without the labels of Helm, at any depth."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items() if key not in HELM}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value


def dump(found):
    return yaml.safe_dump_all(found, sort_keys=False, width=120)


def main(chart_path, cases, refused, output):
    faults = []
    chart = helm.Chart.load(chart_path)
    for file in sorted(Path(cases).glob("*.yaml")):
        values = yaml.safe_load(file.read_text())
        report = helm.lint(chart_path, values, strict=True, kube_version=f"v{VERSIONS[0]}.0")
        messages = [message["error"] for message in report["messages"] if message["severity"] > 1]
        faults += [f"{file.stem}: {message}" for message in messages + report["errors"]]
        try:
            found = objects(chart, values)
        except (helm.HelmError, yaml.YAMLError) as error:
            faults.append(f"{file.stem}: {error}")
            continue
        faults += [f"{file.stem}: {fault}" for item in found for fault in faults_of(item)]
        (Path(output) / file.name).write_text(dump(found))
        if file.stem in MANIFESTS:
            head = f"# {MANIFESTS[file.stem]}\n# Made from deploy/chart by `cargo xtask chart --write`; not to be edited.\n"
            (Path(output) / "manifests" / file.name).write_text(head + dump(plain(found)))
        print(f"{file.stem}: {len(found)} objects")
    for case in yaml.safe_load(Path(refused).read_text()):
        try:
            objects(chart, case["values"])
            faults.append(f"not refused: {case['values']}")
        except helm.HelmError as error:
            missing = [words for words in case["says"] if words not in str(error)]
            faults += [f"{case['values']}: `{words}` is not in: {error}" for words in missing]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
