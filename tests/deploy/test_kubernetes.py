"""The manifests: valid for Kubernetes, hardened, and fit for the settings that the processes really read."""

import copy
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic import TypeAdapter

from deploy.acls import USERS
from deploy.local.secrets import kafka_password_of
from shared.contracts.topics import signer_of
from tests.deploy.processes import PROCESSES, ROLES, SECRETS, keys, known, required, user_of
from tests.signing import OPERATOR

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
KUSTOMIZE = yaml.safe_load((FOLDER / KUSTOMIZATION).read_text())
OVERLAY = yaml.safe_load((FOLDER.with_name("kubernetes-overlay") / KUSTOMIZATION).read_text())
MONITORING = FOLDER.with_name("prometheus")
CONFIG = dict(
    line.split("=", 1) for line in (FOLDER / "config.env").read_text().splitlines() if line and not line.startswith("#")
)
"""The ConfigMap that kustomize makes."""
WORKLOADS = [one for one in MANIFESTS if one["kind"] in ("Deployment", "Job")]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == "Deployment"}


def pod(workload: Manifest) -> Manifest:
    found: Manifest = workload["spec"]["template"]["spec"]
    return found


def container(workload: Manifest) -> Manifest:
    (only,) = pod(workload)["containers"]
    found: Manifest = only
    return found


def name_of(workload: Manifest) -> str:
    """Whose it is, as topics name it."""
    whole = str(workload["metadata"]["name"])
    return whole.removesuffix("-pages").removesuffix("-worker").replace("-", "_")


LOGIN = ("FAIRPOOL_KAFKA_USER", "FAIRPOOL_KAFKA_PASSWORD")
"""Everybody's own, from another key of the Secret each."""


def secret_of(variable: Manifest) -> str:
    """Which secret it is: the name under which a process knows it, for its login the one under which the Secret does."""
    key: str = variable["valueFrom"]["secretKeyRef"]["key"]
    return key if variable["name"] in LOGIN else str(variable["name"])


def environment(workload: Manifest) -> dict[str, str]:
    """What the process sees where the Secret holds what it must; a secret is shown as `secret:KEY`."""
    assert container(workload)["envFrom"] == [{"configMapRef": {"name": "fairpool"}}]
    seen = dict(CONFIG)
    for variable in container(workload)["env"]:
        if "value" in variable:
            seen[variable["name"]] = variable["value"]
            continue
        origin = variable["valueFrom"]["secretKeyRef"]
        signs = variable["name"] == "FAIRPOOL_SIGNING_KEY"
        own = f"FAIRPOOL_{signer_of(name_of(workload)).upper()}_SIGNING_KEY" if signs else variable["name"]
        assert (origin["name"], origin["key"]) == ("fairpool", origin["key"] if variable["name"] in LOGIN else own)
        seen[variable["name"]] = f"secret:{secret_of(variable)}"
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
    assert sorted(KUSTOMIZE["resources"]) == sorted({name for name, _ in read()})
    assert {image["name"] for image in KUSTOMIZE["images"]} == {container(one)["image"] for one in WORKLOADS}


def test_a_changed_setting_or_secret_starts_the_pods_again() -> None:
    """Kustomize gives what it generates a name with a hash, and puts it where the pods name it."""
    assert KUSTOMIZE["configMapGenerator"] == [{"name": "fairpool", "envs": ["config.env"]}]
    assert [one["name"] for one in OVERLAY["secretGenerator"]] == ["fairpool"]
    for one in (KUSTOMIZE, OVERLAY):
        assert not one.get("generatorOptions", {}).get("disableNameSuffixHash", False)


def test_the_overlay_names_what_the_base_has() -> None:
    (merged, certificates) = OVERLAY["configMapGenerator"]
    every = set().union(*(known(settings) for _, settings in PROCESSES.values()))
    assert (merged["name"], merged["behavior"]) == ("fairpool", "merge")
    assert {line.split("=")[0] for line in merged["literals"]} <= every
    assert {one["name"] for one in OVERLAY["images"]} == {one["name"] for one in KUSTOMIZE["images"]}
    assert {one["name"] for one in OVERLAY["replicas"]} <= set(DEPLOYMENTS)
    for workload in WORKLOADS:
        (volume,) = (one for one in pod(workload)["volumes"] if one["name"] == "ca")
        assert volume["configMap"] == {"name": certificates["name"], "optional": True}
        (mount,) = (one for one in container(workload)["volumeMounts"] if one["name"] == "ca")
        assert f"FAIRPOOL_KAFKA_CA={mount['mountPath']}/{certificates['files'][0]}" in merged["literals"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not here")
def test_kustomize_makes_of_the_overlay_what_kubernetes_accepts(tmp_path: Path) -> None:
    for folder in (FOLDER, FOLDER.with_name("kubernetes-overlay")):
        shutil.copytree(folder, tmp_path / folder.name)
    filled = tmp_path / "kubernetes-overlay"
    (filled / "kafka.pem").write_text("certificates")
    (filled / "fairpool.env").write_text("FAIRPOOL_SMTP=smtps://user:a&b@relay:465\n")
    made = subprocess.run(("kubectl", "kustomize", str(filled)), capture_output=True, text=True, check=True).stdout
    manifests = list(yaml.safe_load_all(made))
    for manifest in manifests:
        kubernetes_validate.validate(manifest, NEWEST, strict=True)
    generated = {one["metadata"]["name"] for one in manifests if one["kind"] in ("ConfigMap", "Secret")}
    workloads = [one for one in manifests if one["kind"] in ("Deployment", "Job")]
    assert len(workloads) == len(WORKLOADS)
    for workload in workloads:
        inner, labels = container(workload), workload["spec"]["template"]["metadata"]["labels"]
        named = {inner["envFrom"][0]["configMapRef"]["name"]}
        named |= {one["valueFrom"]["secretKeyRef"]["name"] for one in inner["env"] if "valueFrom" in one}
        assert len(named) == 2
        assert named < generated
        assert labels["app.kubernetes.io/part-of"] == "fairpool"  # by which Prometheus finds it


JOBS = {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == "Job"}


def test_a_job_leaves_room_for_the_next_one() -> None:
    assert set(JOBS) == {"topics", "operator", "migrations", "migrations-after"}
    for job in JOBS.values():
        assert 0 < job["spec"]["ttlSecondsAfterFinished"] <= 3600


def test_tables_are_migrated_before_a_release_and_after_it_only_when_somebody_says_so() -> None:
    for name, half in (("migrations", "--before"), ("migrations-after", "--after")):
        assert container(JOBS[name])["args"] == ["deploy", "migrate", half]
        assert JOBS[name]["spec"].get("suspend", False) is (half == "--after")
        told = {variable["name"] for variable in container(JOBS[name])["env"]}
        assert told == {key for key in SECRET if key.endswith("_DATABASE")}


def test_the_topics_job_says_how_many_replicas() -> None:
    job = JOBS["topics"]
    assert "--replication" in container(job)["args"]
    assert set(re.findall(r"\$\((\w+)\)", " ".join(container(job)["args"]))) <= set(CONFIG)


def test_each_process_has_deployment_service_and_budget() -> None:
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert {one["metadata"]["name"] for one in MANIFESTS if one["kind"] == kind} == set(PROCESSES)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_told_what_it_needs_and_no_secret_more(name: str) -> None:
    module, settings = PROCESSES[name]
    told = {variable for variable in environment(DEPLOYMENTS[name]) if variable.startswith("FAIRPOOL_")}
    common = set(CONFIG)  # every process is told these, whether it reads them or not
    assert container(DEPLOYMENTS[name])["args"] == [module]
    role = ROLES[name][1]
    assert required(settings, role) - told == set()
    assert told - known(settings) - common == set()
    assert keys(told) == keys(required(settings, role))


def kafka_passwords(workload: Manifest) -> set[str]:
    """The passwords of Kafka's users that it is told."""
    return {
        value.removeprefix("secret:")
        for value in environment(workload).values()
        if re.search(r"KAFKA\w+PASSWORD$", value)
    }


@pytest.mark.parametrize("name", [*PROCESSES, "operator"])
def test_each_is_a_user_of_kafka_of_its_own_and_knows_no_other_s_password(name: str) -> None:
    workload = DEPLOYMENTS.get(name) or JOBS[name]
    user = "operator" if name == "operator" else user_of(name)
    assert environment(workload)["FAIRPOOL_KAFKA_USER"] == user
    assert kafka_passwords(workload) == {kafka_password_of(user)}
    assert (CONFIG["FAIRPOOL_KAFKA_SECURITY"], CONFIG["FAIRPOOL_KAFKA_MECHANISM"]) == ("SASL_SSL", "SCRAM-SHA-512")


def test_topics_and_users_are_made_by_one_that_has_no_key_and_ends() -> None:
    told = environment(JOBS["topics"])
    assert container(JOBS["topics"])["args"][:4] == ["deploy", "topics", "create", "--users"]
    assert kafka_passwords(JOBS["topics"]) == {"KAFKA_ADMIN_PASSWORD", *(kafka_password_of(user) for user in USERS)}
    assert told["FAIRPOOL_KAFKA_USER"] == "secret:KAFKA_ADMIN_USER"
    assert not [name for name in told if name.endswith("_KEY")]


@pytest.mark.parametrize("name", PROCESSES)
def test_its_settings_can_be_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in environment(DEPLOYMENTS[name]).items():
        monkeypatch.setenv(
            variable, value if (key := value.removeprefix("secret:")) == value else (SECRET | OPERATOR | OLDER)[key]
        )
    settings = PROCESSES[name][1]()
    assert settings.http_port == container(DEPLOYMENTS[name])["ports"][0]["containerPort"]
    assert settings.role == ROLES[name][1]


OLDER = {"FAIRPOOL_VAULT_KEY": "", "FAIRPOOL_INVITATION_PEPPER": ""}
"""Of a deployment from before; optional, and no part of a new Secret."""
WITH_PASSWORDS = re.compile("KEY$|SEAL_KEYS$|PASSWORD$|DATABASE$|REDIS$|SMTP$")
SECRET = {
    **{
        f"FAIRPOOL_{name}": "A" * (86 if name in ("MEMBER_REF_KEY", "LINK_SUBJECT_KEY") else 43)
        for name in {*SECRETS, "OPERATOR_SIGNING_KEY"}
    },
    **{
        f"FAIRPOOL_{name}_DATABASE": f"postgresql://{name.lower()}:word@postgres:5432/{name.lower()}?sslmode=require"
        for name in ("SIGNUP", "CONSENT", "POOL_MATCHING", "OUTREACH_GATEWAY")
    },
    "FAIRPOOL_REDIS": "rediss://:word@valkey:6379/0",
    "FAIRPOOL_SMTP": "smtps://user:word@relay:465",
    "KAFKA_ADMIN_USER": "admin",
    **dict.fromkeys(("KAFKA_ADMIN_PASSWORD", *map(kafka_password_of, USERS)), "word"),
}
"""All that the Secret must hold."""


def test_what_holds_a_password_is_in_the_secret_and_nowhere_else() -> None:
    asked: set[str] = set()
    for workload in WORKLOADS:
        for variable in container(workload)["env"]:
            if WITH_PASSWORDS.search(variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"], variable["name"]
            if "valueFrom" in variable:
                asked.add(secret_of(variable))
    assert not [name for name in CONFIG if WITH_PASSWORDS.search(name)]
    assert asked - {"FAIRPOOL_VERIFY_KEYS", *OLDER} == set(SECRET)


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
    assert inner["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    # The port opens once the process has started. Readiness would be no measure of that: it is lost while windows are rebuilt.
    starts = inner["startupProbe"]
    assert starts["httpGet"]["path"] == "/health/live"
    may_take = starts["periodSeconds"] * starts["failureThreshold"]
    assert 600 <= may_take < deployment["spec"]["progressDeadlineSeconds"]
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


def test_prometheus_finds_every_pod() -> None:
    (job,) = yaml.safe_load((MONITORING / "kubernetes.yml").read_text())["scrape_configs"]
    monitor = yaml.safe_load((MONITORING / "podmonitor.yml").read_text())
    (label,) = KUSTOMIZE["labels"]
    assert label == {"pairs": {"app.kubernetes.io/part-of": "fairpool"}, "includeTemplates": True}
    assert monitor["spec"]["selector"]["matchLabels"] == label["pairs"]
    assert label["pairs"][monitor["spec"]["jobLabel"]] == job["job_name"] == "fairpool"
    assert [one["port"] for one in monitor["spec"]["podMetricsEndpoints"]] == ["http"]
    assert [one["regex"] for one in job["relabel_configs"] if one.get("action") == "keep"] == ["fairpool;http"]
    assert {one["name"] for deployment in DEPLOYMENTS.values() for one in container(deployment)["ports"]} == {"http"}
