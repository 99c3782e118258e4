"""The Kubernetes manifests: valid, hardened, and in step with the code that they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from libs.shared.settings import SECRETS, SharedSettings, StageSettings
from libs.shared.topology import queue_of
from services.api.settings import ApiSettings
from services.decoder.stage import stage as decoder
from services.thumbnailer.stage import stage as thumbnailer

KUBERNETES = Path(__file__).parents[3] / "deploy/kubernetes"
DOCKERFILE = KUBERNETES.parent / "Dockerfile"
VERSIONS = ("1.32", "1.37")
"""The oldest and the newest Kubernetes that the manifests are for."""
OF_OPERATORS = {"ScaledObject", "TriggerAuthentication", "RabbitmqCluster", "MongoDBCommunity"}
"""Kinds whose schemas Kubernetes does not have: deploy/verify/kubernetes.py checks them with the operators' own."""
STAGES = {stage.name: stage for stage in (decoder, thumbnailer)}
REPLICATED = ("api", *STAGES)
COMMAND = "album"
"""The pod in which operators run the command."""
SERVICES = sorted({file.parent.name for file in (KUBERNETES.parents[1] / "services").glob("*/__main__.py")} - {"cli"})


def manifests(folder: str = "base") -> Iterator[dict[str, Any]]:
    for file in sorted((KUBERNETES / folder).glob("*.yaml")):
        if file.name != "kustomization.yaml":
            yield from yaml.safe_load_all(file.read_text())


def the(kind: str, name: str) -> dict[str, Any]:
    [found] = [one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pod(service: str) -> dict[str, Any]:
    spec: dict[str, Any] = the("Deployment", service)["spec"]["template"]["spec"]
    return spec


def environment(service: str) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod(service)["containers"][0].get("env", ())}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_takes(version: str) -> None:
    unknown = set()
    for manifest in [*manifests(), the_ingress()]:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(manifest["kind"])

    assert unknown == OF_OPERATORS


def the_ingress() -> dict[str, Any]:
    [found] = [one for one in manifests("overlays/example") if one["kind"] == "Ingress"]
    return found


def test_a_manifest_with_a_slip_is_refused() -> None:
    slipped = the("Deployment", "decoder")
    slipped["spec"]["template"]["spec"]["terminationGraceSeconds"] = 30

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(slipped, VERSIONS[-1], strict=True)


def test_every_file_is_applied() -> None:
    listed = yaml.safe_load((KUBERNETES / "base/kustomization.yaml").read_text())["resources"]

    assert sorted([*listed, "kustomization.yaml"]) == sorted(file.name for file in (KUBERNETES / "base").iterdir())


@pytest.mark.parametrize("service", [*SERVICES, COMMAND])
def test_a_pod_has_no_rights_that_it_does_not_need(service: str) -> None:
    spec = pod(service)
    [container] = spec["containers"]

    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_is_asked_for_its_health_where_its_image_tells_of_it(service: str) -> None:
    [container] = pod(service)["containers"]
    [port] = container["ports"]
    variable = "ALBUM_PORT" if service == "api" else "ALBUM_METRICS_PORT"
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}

    assert f"{variable}={port['containerPort']}" in DOCKERFILE.read_text()
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert [probe["path"] for probe in probes.values()] == ["/livez", "/readyz", "/livez"]


@pytest.mark.parametrize("service", [*SERVICES, COMMAND])
def test_a_pod_finds_its_secrets_where_it_looks_for_them(service: str) -> None:
    [projected] = [volume["projected"] for volume in pod(service)["volumes"] if "projected" in volume]
    [mount] = [mount for mount in pod(service)["containers"][0]["volumeMounts"] if mount["name"] == "secrets"]
    files = {item["path"] for source in projected["sources"] for item in source["secret"]["items"]}
    prefix = SharedSettings.model_config["env_prefix"].lower()

    assert files - {"first-key"} == {f"{prefix}{name}" for name in ("amqp_url", "mongo_url")}
    assert ("first-key" in files) == (service == "api")
    assert mount == {"name": "secrets", "mountPath": str(SECRETS), "readOnly": True}


def test_the_operators_command_keeps_its_backups_and_asks_the_api_where_that_is() -> None:
    spec = pod(COMMAND)
    [container] = spec["containers"]
    [claim] = [volume["persistentVolumeClaim"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume]
    [port] = the("Service", "api")["spec"]["ports"]

    assert container["image"] == "album-tools"
    assert 'ENTRYPOINT ["python", "-m", "services.cli"]' in DOCKERFILE.read_text()
    assert "/backups" in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert the("PersistentVolumeClaim", claim["claimName"])
    assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsUser"]
    assert environment(COMMAND) == {"ALBUM_HOST": "api", "ALBUM_PORT": str(port["port"])}


def test_an_overlay_says_where_every_image_comes_from() -> None:
    overlay = yaml.safe_load((KUBERNETES / "overlays/example/kustomization.yaml").read_text())

    used = {pod(name)["containers"][0]["image"] for name in [*SERVICES, COMMAND]}

    assert {image["name"] for image in overlay["images"]} == used


def test_an_overlay_says_to_all_that_record_events_where_subscribers_reach_the_api() -> None:
    overlay = yaml.safe_load((KUBERNETES / "overlays/example/kustomization.yaml").read_text())
    patches = [
        yaml.safe_load((KUBERNETES / "overlays/example" / patch["path"]).read_text()) for patch in overlay["patches"]
    ]
    [rule] = the_ingress()["spec"]["rules"]

    said = {
        patch["metadata"]["name"]: variable["value"]
        for patch in patches
        for variable in patch["spec"]["template"]["spec"]["containers"][0]["env"]
        if variable["name"] == "ALBUM_PUBLIC_URL"
    }

    assert said == dict.fromkeys(("api", COMMAND), f"https://{rule['host']}")


@pytest.mark.parametrize("service", REPLICATED)
def test_a_disruption_takes_one_pod_at_a_time(service: str) -> None:
    budget = the("PodDisruptionBudget", service)["spec"]
    labels = the("Deployment", service)["spec"]["template"]["metadata"]["labels"]

    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_scaled_by_the_length_of_its_own_queue(name: str) -> None:
    scaled = the("ScaledObject", name)["spec"]
    [trigger] = scaled["triggers"]
    host = trigger["metadata"]["host"]
    broker = the("RabbitmqCluster", "album-rabbitmq")["metadata"]["name"]
    namespace = yaml.safe_load((KUBERNETES / "base/kustomization.yaml").read_text())["namespace"]

    assert scaled["scaleTargetRef"] == {"name": name}
    assert 1 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    assert trigger["metadata"]["queueName"] == queue_of(name)
    assert (trigger["type"], trigger["metadata"]["protocol"]) == ("rabbitmq", "http")
    assert host == f"http://{broker}.{namespace}.svc.cluster.local:15672/"
    assert the("TriggerAuthentication", trigger["authenticationRef"]["name"])
    assert "replicas" not in the("Deployment", name)["spec"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_is_stopped_has_time_for_what_is_in_hand(name: str) -> None:
    settings_class = STAGES[name].settings
    prefix = settings_class.model_config["env_prefix"]
    given = {key.removeprefix(prefix).lower(): value for key, value in environment(name).items()}
    settings = settings_class.model_validate(given)

    assert isinstance(settings, StageSettings)
    assert given.keys() <= settings_class.model_fields.keys()
    assert settings.deadline_seconds < settings.grace_seconds < pod(name)["terminationGracePeriodSeconds"]


def test_an_api_that_is_stopped_has_time_for_its_requests() -> None:
    before = pod("api")["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert before + ApiSettings().grace_seconds < pod("api")["terminationGracePeriodSeconds"]


def test_pods_speak_with_nobody_unless_a_policy_says_so() -> None:
    closed = the("NetworkPolicy", "nothing")["spec"]
    egress = the("NetworkPolicy", "services")["spec"]["egress"]

    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert {rule["ports"][0]["port"] for rule in egress} == {5672, 27017}


def test_prometheus_scrapes_the_same_jobs_as_under_compose() -> None:
    prometheus = KUBERNETES.parent / "prometheus"
    [scraped] = yaml.safe_load((prometheus / "kubernetes.yml").read_text())["scrape_configs"]
    wanted = re.compile(scraped["relabel_configs"][0]["regex"])
    templates = [one["spec"]["template"] for one in manifests() if one["kind"] == "Deployment"]
    jobs = {
        f"album-{labels['app.kubernetes.io/component']}"
        for labels, [container] in ((one["metadata"]["labels"], one["spec"]["containers"]) for one in templates)
        for port in container.get("ports", ())
        if wanted.fullmatch(f"{labels['app.kubernetes.io/name']};{port['name']}")
    }

    config = yaml.safe_load((prometheus / "prometheus.yml").read_text())
    assert jobs == {job["job_name"] for job in config["scrape_configs"]}
