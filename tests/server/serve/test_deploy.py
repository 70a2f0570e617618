"""What operators are given: containers, manifests, a dashboard and alert rules fit the product."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml
from test_serve_cli import livemood, served

from livemood.server.serve.settings import read_settings

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "livemood.json"
METRIC = re.compile(r"\blivemood_[a-z_]+\b")
LABELLED = re.compile(r"\b(livemood_[a-z_]+)\{([^}]*)\}")
OF_PROMETHEUS = {"job", "instance", "le"}


def expressions():
    """Every PromQL expression of the rules and of the dashboard."""
    rules = [
        rule["expr"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
    ]
    board = json.loads(DASHBOARD.read_text())
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = [variable["query"] for variable in board["templating"]["list"]]
    assert rules
    assert shown
    return [*rules, *shown, *asked]


@pytest.fixture(scope="module")
def collectors(model, tmp_path_factory):
    """The names that a server's metrics have, and the labels of each."""
    from livemood.server.serve import Service
    from livemood.server.serve.settings import ServeSettings

    settings = ServeSettings(port=0, data=tmp_path_factory.mktemp("data"))
    with Service(settings, model) as service:
        registry = service.sessions.metrics.registry
        found = {
            name: set(getattr(collector, "_labelnames", ()))
            for collector, names in registry._collector_to_names.items()
            for name in names
        }
        exposed = httpx.get(service.url + "/metrics", timeout=60).text
    assert "livemood_load" in exposed
    return found


def test_every_metric_that_is_named_exists_with_its_labels(collectors):
    for expression in expressions():
        for name in METRIC.findall(expression):
            assert name in collectors, expression
        for name, inside in LABELLED.findall(expression):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside)) - OF_PROMETHEUS
            assert labels <= collectors[name], expression


def test_the_guide_names_metrics_that_exist(collectors):
    named = set(METRIC.findall((ROOT / "docs/guides/servers.md").read_text("utf-8")))
    assert named
    assert {name for name in named if name not in collectors} == set()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_rules_and_they_fire_when_they_should():
    for command in (
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules_test.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
    ):
        done = subprocess.run(
            ["promtool", *command], cwd=RULES.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def image_environment():
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.*)$", text, re.M)
    return dict(pair.split("=", 1) for pair in line.split() if pair.startswith("LIVEMOOD_"))


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["livemood"]


def pod():
    manifests = yaml.safe_load_all((DEPLOY / "kubernetes" / "livemood.yaml").read_text())
    (found,) = (m for m in manifests if m["kind"] == "StatefulSet")
    return found["spec"]["template"]["spec"]


def pod_environment():
    (container,) = pod()["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(compose()["environment"], marks=pytest.mark.slow, id="compose"),
        pytest.param(pod_environment(), id="k8s", marks=pytest.mark.slow),
    ],
)
def test_a_server_starts_by_their_settings_and_answers_their_probes(own, tmp_path, monkeypatch):
    environment = image_environment() | own
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = read_settings(None, {})
    assert settings.host == "0.0.0.0"
    assert settings.drain_timeout_s == 600
    del environment["LIVEMOOD_DATA"]  # of the image's own file system
    data = tmp_path / "data"
    made = livemood("token", "create", "--scope", "watch", "--data", data)
    assert made.returncode == 0, made.stderr
    with served(data, env=environment) as server:
        port = server.url.rpartition(":")[2]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            (container,) = pod()["containers"]
            for probe in ("startupProbe", "readinessProbe"):
                path = container[probe]["httpGet"]["path"]
                # The kubelet asks by the pod's address, Docker's health check by loopback.
                for host in (f"10.1.2.3:{port}", f"127.0.0.1:{port}"):
                    assert http.get(path, headers={"Host": host}).status_code == 200
            scraped = {"Authorization": f"Bearer {made.stdout.split()[0]}", "Host": "livemood:8765"}
            assert http.get("/metrics", headers=scraped).status_code == 200
            assert http.get("/metrics").status_code == 401


def test_whoever_stops_a_server_waits_longer_than_it_drains():
    grace = float(compose()["stop_grace_period"].removesuffix("s"))
    assert grace > float(compose()["environment"]["LIVEMOOD_DRAIN_TIMEOUT_S"]) + 10
    drain = float(pod_environment()["LIVEMOOD_DRAIN_TIMEOUT_S"])
    assert pod()["terminationGracePeriodSeconds"] > drain + 10


def test_containers_run_as_nobody_who_can_write_only_where_they_must():
    image = (DEPLOY / "Dockerfile").read_text()
    (user,) = re.findall(r"^USER (\d+):\d+$", image, re.M)
    assert int(user) > 0
    assert pod()["securityContext"]["runAsUser"] == int(user)
    assert pod()["securityContext"]["runAsNonRoot"] is True
    (container,) = pod()["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    folder = image_environment()["LIVEMOOD_DATA"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {folder, "/tmp"}
    token = yaml.safe_load((DEPLOY / "kubernetes" / "token.yaml").read_text())["spec"]
    assert token["securityContext"] == pod()["securityContext"]
    (volume,) = token["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == "data-livemood-0"
    assert compose()["read_only"] is True
    assert compose()["volumes"] == [f"data:{folder}"]
    # What the image copies is in the repository, and let through to its build.
    let = (DEPLOY / "Dockerfile.dockerignore").read_text()
    build = image.split("FROM ")[1]
    for line in re.findall(r"^COPY (.*)$", build, re.M):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists()
            assert f"!{name}" in let


def cluster():
    return yaml.safe_load((DEPLOY / "compose.cluster.yaml").read_text())["services"]


@pytest.mark.parametrize("name", ["node-a", "node-b"])
def test_the_nodes_of_the_compose_file_are_set_so_that_they_may_start(name, monkeypatch):
    pytest.importorskip("nats", reason="needs the extra cluster")
    from livemood.server.cluster.membership import check_node
    from livemood.server.storage.postgresql.opening import check_url

    for variable, value in (image_environment() | cluster()[name]["environment"]).items():
        monkeypatch.setenv(variable, value)
    settings = read_settings(None, {})
    check_node(settings)
    check_url(settings.database)
    assert settings.node.address == name == cluster()[name]["hostname"]
    assert settings.node.url.rpartition(":")[2] == cluster()[name]["ports"][0].split(":")[1]
    assert cluster()[name]["read_only"] is True


@pytest.mark.skipif(shutil.which("nats-server") is None, reason="nats-server is not installed")
def test_nats_takes_its_configuration(monkeypatch):
    monkeypatch.setenv("NATS_TOKEN", "token1")
    config = DEPLOY / "nats" / "nats.conf"
    done = subprocess.run(["nats-server", "-t", "-c", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
