"""The dashboard, the alert rules and their runbook against the metrics that the code really has."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from deploy.local.services import NAMES
from services.outreach_gateway.model import Rule
from shared.clock import Clock
from shared.contracts.topics import MEMBERSHIPS, NOTICES, POOLS
from shared.messaging.consumer import Consumer, Subscription
from shared.messaging.dead_letters import REASONS
from shared.messaging.envelope import UNKNOWN_TYPE
from shared.messaging.kafka import Kafka
from shared.messaging.reconciled import Reconciled
from shared.messaging.reconciler import Reconciler
from shared.messaging.signatures import BAD_SIGNATURE, UNSIGNED

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy/grafana/alerts.yml").read_text())["groups"][0]["rules"]
TRIED = ROOT / "deploy/grafana/alerts_test.yml"
DASHBOARD = json.loads((ROOT / "deploy/grafana/fairpool.json").read_text())
RUNBOOK = (ROOT / "docs/watching.md").read_text()
METRIC_MODULES = (
    "shared.metrics",
    "shared.feed.metrics",
    "services.consent.adapters.withdrawals",
    "services.outreach_gateway.adapters.metrics",
    "services.signup.courier.sending",
    "services.signup.courier.breaker",
    "services.signup.api.hooks",
    "services.signup.adapters.kept_reports",
    "shared.runner.metrics",
    "services.signup.adapters.erasures",
    "services.signup.vault.watching",
)
PARTS_ONLY = {"subscription", "reader", "topic", "part", "waits_for", "reason", "outcome", "rule", "kind", "queue", "role", "method", "route", "feed", "state", "status", "at"}  # fmt: skip
SCRAPED = {"up": {"job", "instance", "service"}, "process_start_time_seconds": {"job", "instance"}}
WORDS = frozenset(
    "sum max min rate increase delta changes histogram_quantile absent label_replace vector time by and or on without".split()  # noqa: SIM905 - PromQL reads better so
)
SIGNALS = {
    "lag": "fairpool_lag_records",
    "batch time": "fairpool_batch_seconds_bucket",
    "decisions by outcome and rule": "fairpool_decisions_total",
    "holds": "fairpool_holding",
    "outbox age": "fairpool_outbox_age_seconds",
    "rows of feeds without a number": "fairpool_feed_unsequenced_age_seconds",
    "dead letters": "fairpool_dead_letters_total",
    "topics that differ": "fairpool_topics_differ",
    "window rebuild count": "fairpool_windows_rebuild_seconds_count",
    "window rebuild time": "fairpool_windows_rebuild_seconds_bucket",
    "consent projection behind": 'fairpool_lag_records{reader="projection of consent-state"}',
    "mails by outcome": 'fairpool_mails_total{outcome="bounced"}',
    "time to withdraw": "fairpool_withdrawal_seconds_bucket",
    "doubtful": 'fairpool_mails_total{outcome="doubtful"}',
}


def _metrics() -> dict[str, MetricWrapperBase]:
    """Every metric of ours by its family's name."""
    found: dict[str, MetricWrapperBase] = {}
    for module in METRIC_MODULES:
        for value in vars(import_module(module)).values():
            if isinstance(value, MetricWrapperBase):
                found[value._name] = value
    return found


def _series() -> dict[str, set[str]]:
    """Every series' name with its labels, as Prometheus sees it."""
    found = {name: set(labels) for name, labels in SCRAPED.items()}
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    for name, metric in _metrics().items():
        for suffix in suffixes[str(metric._type)]:
            found[name + suffix] = {
                *metric._labelnames,
                "job",
                "instance",
                "service",
                *(["le"] if suffix == "_bucket" else []),
            }
    return found


def wrong_in(expression: str) -> list[str]:
    """Names in a PromQL expression that no series has, and labels that its series do not have."""
    series = _series()
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"|\b(?:by|without|on) \([^)]*\)", " ", expression)
    named = [word for word in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare) if word not in WORDS]
    wrong = [name for name in named if name not in series]
    labels = set().union(*(series.get(name, set()) for name in named))
    used = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", " ".join(re.findall(r"\{[^}]*\}", expression)))
    for group in re.findall(r"\b(?:by|without|on) \(([^)]*)\)", expression):
        used += [label.strip() for label in group.split(",")]
    return wrong + [label for label in used if label not in labels]


def _expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum by (reader) (fairpool_lag_records)", []),
        ("sum(rate(fairpool_lag_recrods[5m]))", ["fairpool_lag_recrods"]),
        ("max by (candidate) (fairpool_lag_records)", ["candidate"]),
        ('fairpool_lag_records{readr="x"} > 0', ["readr"]),
        ("fairpool_dead_letters > 0", ["fairpool_dead_letters"]),
    ],
)
def test_the_rule_about_names_can_fail(expression: str, wrong: list[str]) -> None:
    assert wrong_in(expression) == wrong


@pytest.mark.parametrize(("where", "expression"), list(_expressions()))
def test_every_metric_and_label_of_dashboard_and_alerts_exists(where: str, expression: str) -> None:
    assert wrong_in(expression) == [], where


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_signal_has_an_alert_and_a_panel(signal: str) -> None:
    assert any(SIGNALS[signal] in rule["expr"] for rule in RULES)
    name = SIGNALS[signal].split("{")[0].removesuffix("_bucket")
    assert any(name in target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_a_summary_and_a_line_in_the_runbook(rule: dict[str, dict[str, str]]) -> None:
    name = str(rule["alert"])
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"docs/watching.md#{name.lower()}"
    advice = re.search(rf"^### {name}\n(.+)", RUNBOOK, re.MULTILINE)
    assert advice is not None and len(advice.group(1)) > 40


def test_the_runbook_speaks_of_no_alert_that_is_gone_and_of_every_metric() -> None:
    assert set(re.findall(r"^### (\w+)", RUNBOOK, re.MULTILINE)) == {rule["alert"] for rule in RULES}
    named = {name.removesuffix("_total") for name in re.findall(r"`([a-z_]+)`", RUNBOOK)}
    assert set(_metrics()) - named == set()


def test_no_metric_is_forgotten_by_this_test() -> None:
    ours = {
        family.name for family in REGISTRY.collect() if family.name.startswith(("fairpool_", "outreach_", "courier_"))
    }
    assert ours == set(_metrics())


@pytest.mark.parametrize("name", sorted(_metrics()))
def test_labels_are_names_of_parts_and_outcomes_never_of_people_tenants_or_messages(name: str) -> None:
    assert set(_metrics()[name]._labelnames) <= PARTS_ONLY


def test_the_panels_are_placed_side_by_side_and_have_ids_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels)


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_every_alert_is_tried_where_it_fires_and_where_it_does_not(alert: str) -> None:
    cases = [case for case in yaml.safe_load(TRIED.read_text())["tests"] if case["name"].startswith(f"{alert}: ")]
    quiet = [case for case in cases if case["name"].startswith(f"{alert}: quiet")]
    expected = [
        bool(expectation.get("exp_alerts", expectation.get("exp_samples")))
        for case in cases
        for expectation in (*case.get("alert_rule_test", []), *case.get("promql_expr_test", []))
    ]
    assert expected == [case not in quiet for case in cases]
    assert 0 < len(quiet) < len(cases)


def test_the_alerts_fire_when_they_must_and_only_then() -> None:
    promtool = os.environ.get("FAIRPOOL_PROMTOOL") or shutil.which("promtool")
    if promtool is None:
        pytest.skip(
            "THE ALERT RULES WERE NOT TRIED: there is no promtool (of Prometheus) on PATH or in FAIRPOOL_PROMTOOL"
        )
    done = subprocess.run([promtool, "test", "rules", TRIED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_process_of_every_service_is_missed_when_it_is_not_there() -> None:
    [down] = [rule["expr"] for rule in RULES if rule["alert"] == "FairpoolProcessDown"]
    asked = re.findall(r'absent\(up\{job="fairpool", service=~?"([^"]+)"\}\)', down)
    assert tuple(pattern.replace("[-_]", "_") for pattern in asked) == NAMES


def _labels(metric: str) -> set[tuple[str, ...]]:
    return {
        tuple(sample.labels.values())
        for family in _metrics()[metric].collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def test_what_single_events_are_counted_by_is_there_with_0_before_the_first() -> None:
    assert {(outcome, rule) for outcome in ("delay", "drop", "cancel") for rule in Rule} <= _labels(
        "fairpool_decisions"
    )
    assert {("admit", "none"), ("hold", "none")} <= _labels("fairpool_decisions")
    assert {("outreach", "doubtful"), ("notice", "delivered")} <= _labels("fairpool_mails")


async def _never(*_: object) -> Any:
    raise AssertionError


def test_dead_letters_and_what_is_republished_are_counted_from_0_by_whoever_may_count_them() -> None:
    nobody: Any = None
    Consumer(
        Subscription("watching", (NOTICES, POOLS), _never, takes=()),
        nobody,
        Clock(None),
        source="watching",
        retry_for=timedelta(seconds=1),
        on_fatal=lambda _: None,
        after_commit=lambda _: None,
    )
    expected = {(topic.name, reason) for topic in (NOTICES, POOLS) for reason in REASONS}
    assert expected <= _labels("fairpool_dead_letters")
    Reconciler(Kafka.plain("127.0.0.1:9"), [Reconciled(MEMBERSHIPS)], source="watching")
    assert (MEMBERSHIPS.name,) in _labels("fairpool_republished_records")
    assert (MEMBERSHIPS.name,) in _labels("fairpool_read_back_failures")


def test_the_known_reasons_of_dead_letters_are_all_that_there_are() -> None:
    code = (ROOT / "shared/messaging/envelope.py").read_text() + (ROOT / "shared/messaging/consumer.py").read_text()
    code = code.replace("{UNKNOWN_TYPE}", UNKNOWN_TYPE)
    given = re.findall(r'(?:record, |reason = )f?"(\w+): ', code)
    assert {*given, UNSIGNED, BAD_SIGNATURE} == set(REASONS)
