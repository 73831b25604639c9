"""The overlays of deploy/kubernetes as a cluster would be given them."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

KUBERNETES = Path(__file__).parents[2] / "deploy/kubernetes"
OVERLAYS = sorted(folder.name for folder in (KUBERNETES / "overlays").iterdir())

Tree = dict[str, Any]


def render(folder: Path) -> list[Tree]:
    """Return the manifests of a kustomization; skips the test where nothing renders them."""
    yaml = pytest.importorskip("ruamel.yaml", reason="no YAML reader: pip install ruamel.yaml")
    rendered = subprocess.run(
        [*_command(), str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert rendered.returncode == 0, rendered.stderr
    return [tree for tree in yaml.YAML(typ="safe").load_all(rendered.stdout) if tree]


@cache
def _command() -> tuple[str, ...]:
    if found := shutil.which("kustomize"):
        return found, "build"
    if found := shutil.which("kubectl"):
        return found, "kustomize"
    pytest.skip("neither kubectl nor kustomize is here to render the manifests")


@cache
def manifests(overlay: str) -> list[Tree]:
    return render(KUBERNETES / "overlays" / overlay)


def of_kind(overlay: str, kind: str) -> dict[str, Tree]:
    """Return the overlay's manifests of a kind by their names."""
    return {tree["metadata"]["name"]: tree for tree in manifests(overlay) if tree["kind"] == kind}


def pods(overlay: str) -> dict[str, Tree]:
    """Return the pods' templates of all workloads by the workloads' names."""
    found = {}
    for kind in ("Deployment", "Job", "CronJob"):
        for name, tree in of_kind(overlay, kind).items():
            spec = tree["spec"]
            found[name] = (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]
    return found


def settings_of(overlay: str, pod: Tree) -> dict[str, str]:
    """Return the environment of a pod's container, but for its secrets."""
    (container,) = pod["spec"]["containers"]
    maps = of_kind(overlay, "ConfigMap")
    environment: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            environment |= maps[source["configMapRef"]["name"]]["data"]
    return environment | {given["name"]: given["value"] for given in container.get("env", [])}
