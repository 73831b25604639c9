"""deploy/kubernetes, rendered for each overlay, as far as it can be checked where no cluster runs."""

from __future__ import annotations

import copy
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError, validate

from btcql import __version__
from btcql.settings import Settings
from tests.deploy.rendering import KUBERNETES, OVERLAYS, Tree, manifests, of_kind, pods, settings_of

# Of the Prometheus Operator's kinds what is used here; Kubernetes' own schemas have none of them.
_NAMES = {"type": "object", "additionalProperties": {"type": "string"}}
_OPERATORS: dict[str, Tree] = {
    "ServiceMonitor": {
        "type": "object",
        "required": ["selector", "endpoints"],
        "additionalProperties": False,
        "properties": {
            "selector": {"type": "object", "properties": {"matchLabels": _NAMES}},
            "endpoints": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {name: {"type": "string"} for name in ("port", "path", "interval")},
                },
            },
        },
    },
    "PrometheusRule": {
        "type": "object",
        "required": ["groups"],
        "additionalProperties": False,
        "properties": {
            "groups": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "rules"],
                    "additionalProperties": False,
                    "properties": {
                        "name": {"type": "string"},
                        "rules": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["alert", "expr"],
                                "additionalProperties": False,
                                "properties": {
                                    "alert": {"type": "string"},
                                    "expr": {"type": "string"},
                                    "for": {"type": "string", "pattern": r"^\d+[smh]$"},
                                    "labels": _NAMES,
                                    "annotations": _NAMES,
                                },
                            },
                        },
                    },
                },
            }
        },
    },
}


def check(manifest: Tree) -> None:
    """Raise ValidationError for what is no manifest of its kind, or has what its kind has not."""
    if manifest["kind"] in _OPERATORS:
        assert manifest["apiVersion"] == "monitoring.coreos.com/v1"
        validate(manifest["spec"], _OPERATORS[manifest["kind"]])
        return
    kubernetes = pytest.importorskip(
        "kubernetes_validate", reason="no schemas to check with: pip install kubernetes-validate"
    )
    kubernetes.validate(manifest, kubernetes.latest_version(), strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_manifest_follows_its_kinds_schema(overlay: str) -> None:
    for manifest in manifests(overlay):
        check(manifest)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "replicas"), "two"),
        ("Deployment", ("spec", "template", "spec", "securityContext", "runAsNonRot"), True),
        ("CronJob", ("spec", "schedule"), 50),
        ("NetworkPolicy", ("spec", "ingres"), []),
        ("ServiceMonitor", ("spec", "endpoints"), [{"prot": "http"}]),
        ("PrometheusRule", ("spec", "groups"), [{"name": "btcql", "rules": [{"alert": "NoExpression"}]}]),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_manifest_is_refused(kind: str, path: tuple[str, ...], value: Any) -> None:
    manifest = copy.deepcopy(next(iter(of_kind("production", kind).values())))
    check(manifest)
    place = manifest
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        check(manifest)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_pod_is_confined(overlay: str) -> None:
    found = pods(overlay)
    assert sorted(found) == ["api", "backfill", "luigid", "migrate", "schedule"]
    for pod in found.values():
        spec = pod["spec"]
        (container,) = spec["containers"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False, (
            "a service named btcql would be a setting that there is not"
        )
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001, "the Dockerfile's"
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["image"] == f"btcql:{__version__}"
        assert "memory" in container["resources"]["limits"]
        written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert {"/tmp", "/var/lib/btcql"} <= written
    (namespace,) = of_kind(overlay, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_pods_settings_are_btcqls_and_hold_no_password(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        environment = settings_of(overlay, pod)
        settings = Settings.read(
            {key: value for key, value in environment.items() if key.startswith("BTCQL_")}
        )
        if name == "luigid":
            continue
        assert settings.database_url.startswith("postgresql://btcql_writer@")
        assert settings.reader_url.startswith("postgresql://btcql_reader@")
        assert not any(re.search(r"://[^/@\s]*:[^/@\s]*@", value) for value in environment.values())
        role = "reader" if name == "api" else "writer"
        assert environment["DATABASE_PASSWORD_FILE"] == f"/run/secrets/btcql/{role}_password"
        secrets = [volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume]
        assert [item["key"] for secret in secrets for item in secret["items"]] == [f"{role}_password"]
        if name in {"schedule", "backfill"}:
            (service,) = (
                service for service in of_kind(overlay, "Service") if service == settings.luigid_host
            )
            assert of_kind(overlay, "Service")[service]["spec"]["ports"][0]["port"] == settings.luigid_port
            mounted = {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
            assert settings.lake.startswith("s3://") or settings.lake in mounted


def test_the_api_reads_from_a_standby_and_is_several_times_there() -> None:
    pod = pods("production")["api"]
    settings = Settings.read(
        {key: value for key, value in settings_of("production", pod).items() if key.startswith("BTCQL_")}
    )
    assert settings.read_database_url not in {"", settings.reader_url}
    assert of_kind("production", "PodDisruptionBudget")["api"]["spec"]["maxUnavailable"] == 1
    scaler = of_kind("production", "HorizontalPodAutoscaler")["api"]["spec"]
    assert 1 < scaler["minReplicas"] < scaler["maxReplicas"]
    assert {rule["topologyKey"] for rule in pod["spec"]["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    (ingress,) = of_kind("production", "Ingress").values()
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_probes_are_the_apis(overlay: str) -> None:
    (container,) = pods(overlay)["api"]["spec"]["containers"]
    paths = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/healthz", "livenessProbe": "/healthz"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_two_refreshes_run_at_a_time_and_no_backfill_by_itself(overlay: str) -> None:
    jobs = of_kind(overlay, "CronJob")
    assert {job["spec"]["concurrencyPolicy"] for job in jobs.values()} == {"Forbid"}
    assert {name: job["spec"].get("suspend", False) for name, job in jobs.items()} == {
        "schedule": False,
        "backfill": True,
    }


def _selects(selector: Tree, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        labels.get(rule["key"]) in rule["values"]
        for rule in selector.get("matchExpressions", [])
        if rule["operator"] == "In"
    )


def _admitted(overlay: str, to: str, labels: dict[str, str], namespace: str) -> bool:
    """Return whether the policies let a pod with these labels, in this namespace, reach a pod of `to`."""
    target = pods(overlay)[to]["metadata"]["labels"]
    for policy in of_kind(overlay, "NetworkPolicy").values():
        spec = policy["spec"]
        if "Ingress" not in spec["policyTypes"] or not _selects(spec["podSelector"], target):
            continue
        for rule in spec.get("ingress", []):
            for peer in rule.get("from", [{"namespaceSelector": {}}]):
                near = "namespaceSelector" not in peer and namespace == "btcql"
                named = {"kubernetes.io/metadata.name": namespace}
                far = "namespaceSelector" in peer and _selects(peer["namespaceSelector"], named)
                if (near or far) and _selects(peer.get("podSelector", {}), labels):
                    return True
    return False


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_the_api_is_reachable_and_luigid_by_the_pipeline_alone(overlay: str) -> None:
    everything = [
        policy["spec"]
        for policy in of_kind(overlay, "NetworkPolicy").values()
        if policy["spec"]["podSelector"] == {} and "ingress" not in policy["spec"]
    ]
    assert {"Ingress", "Egress"} in [set(spec["policyTypes"]) for spec in everything], (
        "nothing is the default"
    )
    found = {name: pod["metadata"]["labels"] for name, pod in pods(overlay).items()}
    reach_luigid = {name for name, labels in found.items() if _admitted(overlay, "luigid", labels, "btcql")}
    assert reach_luigid == {"schedule", "backfill"}
    assert not _admitted(overlay, "luigid", {"app": "stranger"}, "default")
    for closed in ("schedule", "backfill", "migrate"):
        assert not any(_admitted(overlay, closed, labels, "btcql") for labels in found.values())
    assert _admitted(overlay, "api", {"app": "nginx"}, "ingress-nginx")
    by_anybody = _admitted(overlay, "api", {"app": "stranger"}, "default")
    trusted = "BTCQL_TRUSTED_PROXIES" in settings_of(overlay, pods(overlay)["api"])
    assert by_anybody is not trusted, "whose X-Forwarded-For is believed must be alone in reaching the API"


def test_an_upgrade_migrates_before_all_else_shows_what_it_waits_for_and_stops_at_a_failure(
    tmp_path: Path,
) -> None:
    fake = tmp_path / "kubectl"
    fake.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >> {tmp_path}/said\n'
        'case "$*" in\n'
        # complete only once the pods were looked at, if it is to be waited for; failed only if it is to fail
        f'*condition=complete*) [ "$MIGRATION" = done ] || grep -qs "^-n btcql get pods" {tmp_path}/said ;;\n'
        '*condition=failed*) [ "$MIGRATION" = failing ] ;;\n'
        "esac\n",
        encoding="utf-8",
    )
    fake.chmod(0o755)

    def upgrade(migration: str) -> tuple[int, list[str]]:
        (tmp_path / "said").write_text("", encoding="utf-8")
        ended = subprocess.run(
            ["sh", KUBERNETES / "upgrade.sh", "overlay"],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "MIGRATION": migration},
            check=False,
            timeout=60,
        )
        return ended.returncode, (tmp_path / "said").read_text(encoding="utf-8").splitlines()

    code, said = upgrade("done")
    assert code == 0
    whole = said.index("apply -k overlay")
    assert any("delete job migrate" in line for line in said[:whole])
    assert any("condition=complete" in line for line in said[:whole])
    code, said = upgrade("failing")
    assert code == 1
    assert "apply -k overlay" not in said
    code, said = upgrade("waiting")
    assert code == 0
    assert said.index("-n btcql get pods --selector app.kubernetes.io/component=migrate --no-headers") < (
        said.index("apply -k overlay")
    )
