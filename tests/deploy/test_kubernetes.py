"""The manifests: valid for Kubernetes, hardened, and fit for the settings that the processes really read."""

import copy
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic import TypeAdapter

from tests.deploy.processes import PROCESSES, keys, known, required

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
OLDEST, NEWEST = "1.30", "1.37"
KUSTOMIZATION = "kustomization.yaml"

Manifest = dict[str, Any]


def read() -> Iterator[tuple[str, Manifest]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name != KUSTOMIZATION:
            for document in yaml.safe_load_all(path.read_text()):
                yield path.name, document


MANIFESTS = [manifest for _, manifest in read()]
NAMES = [f"{manifest['kind']}-{manifest['metadata']['name']}" for manifest in MANIFESTS]
CONFIG = {one["metadata"]["name"]: one["data"] for one in MANIFESTS if one["kind"] == "ConfigMap"}
WORKLOADS = [one for one in MANIFESTS if one["kind"] in ("Deployment", "Job")]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == "Deployment"}


def pod(workload: Manifest) -> Manifest:
    found: Manifest = workload["spec"]["template"]["spec"]
    return found


def container(workload: Manifest) -> Manifest:
    (only,) = pod(workload)["containers"]
    found: Manifest = only
    return found


def environment(workload: Manifest) -> dict[str, str]:
    """What the process sees; a secret is shown as `secret:KEY`."""
    seen: dict[str, str] = {}
    for source in container(workload).get("envFrom", []):
        seen |= CONFIG[source["configMapRef"]["name"]]
    for variable in container(workload)["env"]:
        origin = variable.get("valueFrom", {})
        if "secretKeyRef" in origin:
            assert origin["secretKeyRef"]["name"] == "fairpool"
            value = f"secret:{origin['secretKeyRef']['key']}"
        elif "configMapKeyRef" in origin:
            value = CONFIG[origin["configMapKeyRef"]["name"]][origin["configMapKeyRef"]["key"]]
        else:
            # as the kubelet does it: only variables that were defined before
            value = re.sub(r"\$\((\w+)\)", lambda match: seen[match[1]], variable["value"])
        seen[variable["name"]] = value
    return seen


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
def test_kubernetes_accepts_it(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_mistake_would_be_found() -> None:
    wrong = copy.deepcopy(DEPLOYMENTS["signup"])
    container(wrong)["readinesProbe"] = container(wrong).pop("readinessProbe")
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_kustomize_takes_every_file() -> None:
    kustomization = yaml.safe_load((FOLDER / KUSTOMIZATION).read_text())
    assert sorted(kustomization["resources"]) == sorted({name for name, _ in read()})
    assert {image["name"] for image in kustomization["images"]} == {container(one)["image"] for one in WORKLOADS}


def test_each_process_has_deployment_service_and_budget() -> None:
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert {one["metadata"]["name"] for one in MANIFESTS if one["kind"] == kind} == set(PROCESSES)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_told_what_it_needs_and_no_secret_more(name: str) -> None:
    module, settings = PROCESSES[name]
    told = {variable for variable in environment(DEPLOYMENTS[name]) if variable.startswith("FAIRPOOL_")}
    common = set(CONFIG["fairpool"])  # every process is told these, whether it reads them or not
    assert container(DEPLOYMENTS[name])["args"] == [module]
    assert required(settings) - told == set()
    assert told - known(settings) - common == set()
    assert keys(told) == keys(required(settings))


@pytest.mark.parametrize("name", PROCESSES)
def test_its_settings_can_be_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in environment(DEPLOYMENTS[name]).items():
        monkeypatch.setenv(
            variable, "A" * 86 if variable == "FAIRPOOL_MEMBER_REF_KEY" else re.sub("^secret:.*", "A" * 43, value)
        )
    assert PROCESSES[name][1]().http_port == container(DEPLOYMENTS[name])["ports"][0]["containerPort"]


def test_no_secret_has_a_value_here() -> None:
    for workload in WORKLOADS:
        for variable in container(workload)["env"]:
            if re.search("KEY$|PASSWORD$", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"], variable["name"]
    assert not [name for data in CONFIG.values() for name in data if re.search("KEY$|PASSWORD$|DATABASE$", name)]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one["metadata"]["name"])
def test_it_may_do_nothing_that_it_need_not(workload: Manifest) -> None:
    outer, inner = pod(workload)["securityContext"], container(workload)["securityContext"]
    assert (outer["runAsNonRoot"], outer["runAsUser"], outer["seccompProfile"]) == (
        True,
        10001,
        {"type": "RuntimeDefault"},
    )
    assert (inner["allowPrivilegeEscalation"], inner["readOnlyRootFilesystem"]) == (False, True)
    assert inner["capabilities"] == {"drop": ["ALL"]}
    assert pod(workload)["automountServiceAccountToken"] is False
    assert set(container(workload)["resources"]) == {"requests", "limits"}
    assert {"cpu", "memory"} == set(container(workload)["resources"]["limits"])


@pytest.mark.parametrize("name", PROCESSES)
def test_it_is_asked_how_it_is_and_has_time_to_stop(name: str) -> None:
    deployment, told = DEPLOYMENTS[name], environment(DEPLOYMENTS[name])
    inner = container(deployment)
    assert inner["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert inner["readinessProbe"]["httpGet"]["path"] == inner["startupProbe"]["httpGet"]["path"] == "/health/ready"
    # each check of readiness has 2 s
    assert min(inner[probe]["timeoutSeconds"] for probe in ("livenessProbe", "readinessProbe", "startupProbe")) > 2
    length = TypeAdapter(timedelta)
    drain_for = length.validate_python(told["FAIRPOOL_DRAIN_FOR"])
    stop_within = length.validate_python(told["FAIRPOOL_STOP_WITHIN"])
    grace = timedelta(seconds=pod(deployment)["terminationGracePeriodSeconds"])
    assert timedelta(seconds=2) < drain_for, "nodes need time to hear that a pod goes"
    assert grace > drain_for + 3 * stop_within  # requests, batches, producers, one after the other


@pytest.mark.parametrize("name", PROCESSES)
def test_service_and_budget_find_the_pods(name: str) -> None:
    labels = DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"]
    of = {one["kind"]: one for one in MANIFESTS if one["metadata"]["name"] == name}
    budget = of["PodDisruptionBudget"]["spec"]
    assert DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"] == labels
    assert of["Service"]["spec"]["selector"] == budget["selector"]["matchLabels"] == labels
    assert DEPLOYMENTS[name]["spec"]["replicas"] > budget["maxUnavailable"]
