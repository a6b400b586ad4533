"""The deployment files, checked without a Docker engine: their structure, their names, and that they fit the code."""

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from search import metrics

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
NGINX = (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8")
PROMETHEUS = DEPLOY / "prometheus"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("ragsite:")}
SERVERS = {name: service for name, service in SERVICES.items() if name not in ("migrate", "scheduler")}
# Of the Compose specification, what is used here: a misspelt key is one that is not known.
TOP_KEYS = {"name", "services", "secrets", "networks", "volumes"}
SERVICE_KEYS = {
    *("build", "cap_drop", "command", "depends_on", "environment", "expose", "healthcheck", "image", "init"),
    *("mem_limit", "networks", "ports", "profiles", "restart", "secrets", "security_opt", "shm_size"),
    *("stop_grace_period", "tmpfs", "ulimits", "volumes"),
}
HEALTHCHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def settings_names() -> set[str]:
    """Every variable that ragsite/settings.py reads, and the data folder, which embedded.paths reads for it."""
    tree = ast.parse((ROOT / "ragsite" / "settings.py").read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    readers = [call for call in calls if _reads_environment(call.func)]
    names = {call.args[0].value for call in readers if call.args and isinstance(call.args[0], ast.Constant)}
    assert {"DATABASE_URL", "OPENSEARCH_URL", "OPENAI_MODEL"} <= names
    return {str(name) for name in names} | {"RAGSITE_DATA_DIR"}


def _reads_environment(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Name) and function.value.id == "env"
    return isinstance(function, ast.Name) and function.id == "_url"


def known_variable(name: str) -> bool:
    names = settings_names()
    return name in names or name.removesuffix("_FILE") in names


def test_only_known_keys_are_used() -> None:
    extra = {key for key in COMPOSE if not key.startswith("x-")} - TOP_KEYS
    unknown = {name: set(service) - SERVICE_KEYS for name, service in SERVICES.items()}
    checks = {
        name: set(service.get("healthcheck", {})) - HEALTHCHECK_KEYS for name, service in SERVICES.items()
    }
    assert extra == set()
    assert {name: keys for name, keys in (unknown | checks).items() if keys} == {}


def test_all_parts_are_there() -> None:
    assert set(OURS) == {"migrate", "web", "streams", "worker", "scheduler"}
    assert set(SERVICES) - set(OURS) == {"nginx", "opensearch", "queue", "cache", "postgres", "prometheus"}


def test_images_are_pinned_and_ours_are_built_here() -> None:
    assert all(re.search(r":v?\d|:\$\{", service["image"]) for service in SERVICES.values())
    assert all(service["build"]["context"] == "." for service in OURS.values())
    assert SERVICES["opensearch"]["image"] == "opensearchproject/opensearch:3.6.0"


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_one_that_the_settings_read(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert environment["DATABASE_URL_FILE"] == "/run/secrets/database_url"
    assert [variable for variable in environment if not known_variable(variable)] == []


def test_the_image_sets_only_variables_that_are_read() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    block = re.search(r"^ENV ((?:.*\\\n)*.*)", dockerfile, re.MULTILINE)
    assert block is not None
    names = re.findall(r"(\w+)=", block[1])
    assert {"RAGSITE_DATA_DIR", "SEARCH_MODEL_CACHE_DIR"} <= set(names)
    assert [
        name for name in names if not known_variable(name) and not name.startswith(("PYTHON", "PATH"))
    ] == []


def test_the_example_environment_names_only_variables_that_are_read() -> None:
    """`make up` reads some for itself (embedded.programs); the others are settings."""
    own = {"WEB_HOST", "WEB_PORT", "WEB_PROCESSES", "WORKERS"}
    own |= {"OPENSEARCH_PORT", "OPENSEARCH_HEAP", "OPENSEARCH_JAVA_HOME"}
    names = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
    assert names
    assert [name for name in names if name not in own and not known_variable(name)] == []


def test_what_a_service_waits_for_exists_and_can_become_so() -> None:
    for service in SERVICES.values():
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] in CONDITIONS
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], other
            if wanted["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no"


def test_every_server_has_a_health_check_a_memory_limit_and_is_restarted() -> None:
    checked = {name for name in SERVERS if "healthcheck" in SERVICES[name]}
    assert set(SERVERS) - checked == {"prometheus"}
    assert all("mem_limit" in service for service in SERVICES.values())
    assert all(
        service["restart"] == "unless-stopped" for name, service in SERVICES.items() if name != "migrate"
    )


def test_volumes_networks_and_secrets_are_declared() -> None:
    for service in SERVICES.values():
        named = [entry.split(":")[0] for entry in service.get("volumes", []) if re.match(r"\w+:", entry)]
        assert set(named) <= set(COMPOSE["volumes"])
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


def test_only_the_door_and_prometheus_are_published_and_no_data_leaves_the_inner_network() -> None:
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"nginx", "prometheus"}
    assert COMPOSE["networks"]["backend"]["internal"] is True
    for name in ("opensearch", "queue", "cache", "postgres"):
        assert SERVICES[name]["networks"] == ["backend"]


def test_the_queue_keeps_everything_and_the_cache_may_forget() -> None:
    queue, cache = (" ".join(SERVICES[name]["command"]) for name in ("queue", "cache"))
    assert "--appendonly yes" in queue
    assert "noeviction" in queue
    assert "--maxmemory 256mb --maxmemory-policy allkeys-lru" in cache
    assert OURS["web"]["environment"]["REDIS_URL"] != OURS["web"]["environment"]["REDIS_CACHE_URL"]


def test_urls_name_services() -> None:
    environment = OURS["web"]["environment"]
    for name in ("REDIS_URL", "REDIS_CACHE_URL", "OPENSEARCH_URL"):
        host = re.search(r"//([a-z]+):(\d+)", environment[name])
        assert host is not None
        assert host[1] in SERVICES


def test_the_secrets_script_makes_each_secret() -> None:
    script = (DEPLOY / "make_secrets.sh").read_text("utf-8")
    assert set(re.findall(r"^keep (\w+) ", script, re.MULTILINE)) == set(COMPOSE["secrets"])
    files = {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert files == {f"deploy/secrets/{name}" for name in COMPOSE["secrets"]}


def test_nginx_asks_services_on_the_ports_that_they_have() -> None:
    servers = dict(re.findall(r"server (\w+):(\d+)", NGINX))
    assert servers == {"web": "8000", "streams": "8000"}
    assert all(port in SERVICES[name]["expose"] for name, port in servers.items())
    assert any("8000" in part for part in SERVICES["web"]["command"])
    assert set(re.findall(r"proxy_pass http://(\w+);", NGINX)) == set(servers)


def locations() -> dict[str, str]:
    return dict(re.findall(r"location ([^{]+?) \{\n(.*?)\n        \}", NGINX, re.DOTALL))


@pytest.mark.parametrize("path", ["= /api/v1/ask", "= /v1/chat/completions", "= /mcp", "~ ^/t/[^/]+/ask$"])
def test_streams_go_unbuffered_to_the_process_for_streams(path: str) -> None:
    assert "proxy_pass http://streams;" in locations()[path]
    assert "proxy_buffering off;" in locations()[path]


def test_everything_else_goes_to_web_within_its_places() -> None:
    assert "proxy_pass http://web;" in locations()["/"]
    assert "limit_conn web_pool" in locations()["/"]
    assert "return 404;" in locations()["= /metrics"]


def metric_names() -> set[str]:
    """Of every series that search/metrics.py gives, as Prometheus sees it."""
    names: set[str] = set()
    for metric in vars(metrics).values():
        if isinstance(metric, Counter):
            names.add(f"{metric._name}_total")
        elif isinstance(metric, Gauge):
            names.add(metric._name)
        elif isinstance(metric, Histogram):
            names |= {f"{metric._name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def rule_expressions() -> list[str]:
    groups = yaml.safe_load((PROMETHEUS / "ragsite.rules.yml").read_text("utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def dashboard_expressions() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "ragsite.json").read_text("utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize("expressions", [rule_expressions, dashboard_expressions], ids=["rules", "dashboard"])
def test_expressions_use_metrics_that_exist(expressions: Any) -> None:
    used = {name for text in expressions() for name in re.findall(r"\bragsite_\w+", text)}
    assert len(used) > 3
    assert used - metric_names() == set()


def test_each_alert_is_explained_in_the_operations_manual() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text("utf-8")
    groups = yaml.safe_load((PROMETHEUS / "ragsite.rules.yml").read_text("utf-8"))["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert [alert for alert in alerts if f"`{alert}`" not in manual] == []


def test_each_setting_is_in_the_operations_manual() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert sorted(name for name in settings_names() if f"`{name}`" not in manual) == []


def run(*command: str, needs: str) -> str:
    if shutil.which(needs) is None:
        pytest.skip(f"{needs} is not installed: {' '.join(command[:3])} was not run")
    done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    assert "12 rules found" in run("promtool", "check", "config", "prometheus.yml", needs="promtool")


def test_alerts_fire_when_they_should() -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", "ragsite.rules.test.yml", needs="promtool")


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    """With addresses in place of the services' names, which only Docker resolves."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed: its configuration was not checked by nginx -t")
    config = tmp_path / "nginx.conf"
    config.write_text(re.sub(r"server (web|streams):", "server 127.0.0.1:", NGINX))
    run("nginx", "-t", "-c", str(config), needs="nginx")


def test_docker_compose_accepts_the_file() -> None:
    docker = shutil.which("docker")
    has_compose = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    if not has_compose or has_compose.returncode != 0:
        pytest.skip("there is no docker compose: docker-compose.yml was checked by its structure alone")
    run("docker", "compose", "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet", needs="docker")
