"""docker-compose.yml, as far as it can be checked where no Docker engine runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from btcql.settings import Settings

ROOT = Path(__file__).parents[2]
SERVICES = [
    "api",
    "database",
    "grafana",
    "https",
    "luigid",
    "migrate",
    "prometheus",
    "roles",
    "schedule",
]
ONCE = ["roles", "migrate"]
LASTING = [service for service in SERVICES if service not in ONCE]
# service -> the role it connects as, and so whose password it is given
ROLES = {"migrate": "writer", "schedule": "writer", "api": "reader"}

Tree = dict[str, Any]


def _read_yaml(path: Path) -> Tree:
    yaml = pytest.importorskip("ruamel.yaml", reason="no YAML reader: pip install check-jsonschema")
    tree: Tree = yaml.YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return tree


@pytest.fixture(scope="module")
def compose() -> Tree:
    return _read_yaml(ROOT / "docker-compose.yml")


@pytest.fixture(scope="module")
def workflow() -> Tree:
    return _read_yaml(ROOT / ".github/workflows/test.yml")


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.compose-spec", "docker-compose.yml"),
        ("vendor.github-workflows", ".github/workflows/test.yml"),
        ("vendor.github-workflows", ".github/workflows/release.yml"),
    ],
)
def test_file_follows_its_specifications_schema(schema: str, file: str) -> None:
    pytest.importorskip("check_jsonschema", reason="no schema to check with: pip install check-jsonschema")
    check = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(ROOT / file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_docker_compose_itself_accepts_the_file(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if (
        not docker
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no `docker compose` here")
    check = subprocess.run(
        [docker, "compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_services_are_these(compose: Tree) -> None:
    assert sorted(compose["services"]) == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_confined(compose: Tree, service: str) -> None:
    described = compose["services"][service]
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    assert described["security_opt"] == ["no-new-privileges:true"]
    assert int(described["user"].split(":")[0]) > 0
    assert set(described["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert "privileged" not in described


@pytest.mark.parametrize("service", LASTING)
def test_lasting_service_tells_its_health_and_comes_back(compose: Tree, service: str) -> None:
    described = compose["services"][service]
    assert described["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert described["restart"] == "unless-stopped"


def test_roles_and_schema_are_made_once_before_anything_uses_them(compose: Tree) -> None:
    services = compose["services"]
    assert services["roles"]["command"] == ["btcql", "db", "roles"]
    assert services["migrate"]["command"] == ["btcql", "db", "migrate"]
    assert {services[service]["restart"] for service in ONCE} == {"no"}
    assert services["roles"]["depends_on"]["database"]["condition"] == "service_healthy"
    for service, awaited in (("migrate", "roles"), ("api", "migrate"), ("schedule", "migrate")):
        condition = services[service]["depends_on"][awaited]["condition"]
        assert condition == "service_completed_successfully"


def test_database_is_healthy_only_when_it_answers_by_tcp(compose: Tree) -> None:
    """While the image initialises, it answers on its socket, and would be taken for ready."""
    assert "--host=127.0.0.1" in compose["services"]["database"]["healthcheck"]["test"]


def test_images_are_pinned(compose: Tree) -> None:
    images = {service["image"] for service in compose["services"].values()}
    own = {"btcql:local", "btcql-https:local"}
    assert own < images
    assert all(re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+(-pg17)?", image) for image in images - own)
    front = (ROOT / "deploy/caddy/Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^FROM caddy:\d+\.\d+\.\d+-alpine$", front, re.MULTILINE)
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert bases
    assert all(
        re.fullmatch(r"(python:3\.13|node:\d+\.\d+)\.\d+(-trixie)?-slim(-trixie)?", base) for base in bases
    )


def test_only_https_is_published_beyond_this_machine(compose: Tree) -> None:
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }
    assert published == {
        "https": ["80:8080", "443:8443"],
        "api": ["127.0.0.1:8000:8000"],
        "luigid": ["127.0.0.1:8082:8082"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_the_api_believes_who_ends_tls_and_nobody_else(compose: Tree) -> None:
    """Not their whole network: what reaches the published port comes from its gateway."""
    believed = compose["services"]["api"]["environment"]["BTCQL_TRUSTED_PROXIES"]
    front = compose["services"]["https"]["networks"]["front"]
    assert believed == f"${{BTCQL_TRUSTED_PROXIES:-{front['ipv4_address']}}}"
    (subnet,) = compose["networks"]["front"]["ipam"]["config"]
    assert ip_address(front["ipv4_address"]) in list(ip_network(subnet["subnet"]).hosts())[1:]
    assert "front" in compose["services"]["api"]["networks"]


def test_what_is_optional_is_in_a_profile(compose: Tree) -> None:
    profiles = {name: service.get("profiles") for name, service in compose["services"].items()}
    assert {name: found for name, found in profiles.items() if found} == {
        "https": ["https"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


def test_database_is_on_an_internal_network_alone(compose: Tree) -> None:
    assert compose["services"]["database"]["networks"] == ["data"]
    assert compose["networks"]["data"]["internal"] is True
    assert "data" not in compose["services"]["luigid"]["networks"]


def test_secrets_are_files(compose: Tree) -> None:
    names = ["database_password", "writer_password", "reader_password", "grafana_password"]
    assert compose["secrets"] == {name: {"file": f"deploy/secrets/{name}"} for name in names}
    for service in compose["services"].values():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert variable.endswith("_FILE")
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert not re.search(r"://[^/@\s]*:[^/@\s]*@", text), "an address with a password in it"


@pytest.mark.parametrize(("service", "role"), ROLES.items())
def test_service_connects_as_its_role_alone(compose: Tree, service: str, role: str) -> None:
    environment = compose["services"][service]["environment"]
    unset = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in environment.items()}
    assert Settings.read(unset).database_url == f"postgresql://btcql_{role}@database/btcql"
    assert environment["DATABASE_PASSWORD_FILE"] == f"/run/secrets/{role}_password"
    assert compose["services"][service]["secrets"] == [f"{role}_password"]


def test_superusers_password_is_known_to_the_database_and_to_who_makes_the_roles(compose: Tree) -> None:
    knowing = [
        name
        for name, service in compose["services"].items()
        if "database_password" in service.get("secrets", [])
    ]
    assert knowing == ["database", "roles"]
    settings = Settings.read(compose["services"]["roles"]["environment"])
    superuser = compose["services"]["database"]["environment"]["POSTGRES_USER"]
    assert settings.admin_url == f"postgresql://{superuser}@database/postgres"
    assert settings.database_url == "postgresql://btcql_writer@database/btcql"
    for role, file in (("writer", settings.writer_password_file), ("reader", settings.reader_password_file)):
        assert str(file) == f"/run/secrets/{role}_password"


def test_volumes_are_where_the_image_keeps_its_data(compose: Tree) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    settings = Settings.read(dict(re.findall(r"(BTCQL_\w+)=(\S+)", dockerfile)))
    assert compose["services"]["schedule"]["volumes"] == [f"home:{settings.home}", f"lake:{settings.lake}"]
    assert compose["services"]["api"]["volumes"] == [f"exports:{settings.home}"]
    for volume in (str(settings.home), settings.lake, "/var/lib/luigi"):
        assert re.search(rf"install --directory --owner=btcql .*{re.escape(volume)}\b", dockerfile)


def test_ci_tests_on_the_image_of_production(compose: Tree, workflow: Tree) -> None:
    service = workflow["jobs"]["community"]["services"]["database"]
    assert service["image"] == compose["services"]["database"]["image"]


def test_ci_runs_on_every_python_and_pins_its_actions(workflow: Tree) -> None:
    assert workflow["jobs"]["python"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    workflows = (workflow, _read_yaml(ROOT / ".github/workflows/release.yml"))
    steps = [step for found in workflows for job in found["jobs"].values() for step in job["steps"]]
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in steps if "uses" in step)
