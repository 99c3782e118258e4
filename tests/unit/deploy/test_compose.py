"""The compose file: what every container of ours has, and what it lacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.shared.settings import SECRETS, address_of
from services.api.settings import ApiSettings
from services.cli.settings import CommandSettings

PROJECT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "deploy/docker-compose.yml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, container in CONTAINERS.items() if "build" in container)


def test_every_service_has_a_container_of_its_name() -> None:
    services = {file.parent.name for file in (PROJECT / "services").glob("*/__main__.py")}

    built = {name: CONTAINERS[name]["build"]["args"]["SERVICE"] for name in OURS}

    assert built == {name: name for name in services - {"cli"}} | {"album": "cli"}


def test_prometheus_watches_every_service() -> None:
    config = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text())

    watched = {job["job_name"]: job["dns_sd_configs"][0]["names"] for job in config["scrape_configs"]}

    assert watched == {f"album-{name}": [name] for name in OURS if name != "album"}


def test_the_operators_command_runs_when_it_is_asked_for_and_keeps_its_backups() -> None:
    command = CONTAINERS["album"]

    assert (command["profiles"], command["restart"], command["build"]["target"]) == (["tools"], "no", "tools")
    assert "backups:/backups" in command["volumes"]
    assert "backups" in COMPOSE["volumes"]


def test_the_operators_command_asks_the_api_where_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in CONTAINERS["album"]["environment"].items():
        monkeypatch.setenv(variable, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value))
    monkeypatch.delenv("ALBUM_PORT", raising=False)
    settings = CommandSettings()

    assert address_of(settings.host, settings.port) == "http://api:8000"


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_has_no_rights_that_it_does_not_need(name: str) -> None:
    container = CONTAINERS[name]

    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["read_only"] is True
    assert container["mem_limit"]
    assert container["pids_limit"]


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_finds_its_secrets(name: str) -> None:
    assert f"secrets:{SECRETS}:ro" in CONTAINERS[name]["volumes"]
    assert "secrets" in CONTAINERS[name]["depends_on"]


def test_only_the_api_and_the_notifier_are_on_a_network_with_a_way_out() -> None:
    assert COMPOSE["networks"]["servers"]["internal"] is True
    outside = {name for name, container in CONTAINERS.items() if container.get("networks", []) != ["servers"]}

    assert outside - {name for name in outside if CONTAINERS[name].get("network_mode") == "none"} == {"api", "notifier"}
    assert [name for name in CONTAINERS if "ports" in CONTAINERS[name]] == ["api"]
    assert all(port.startswith("127.0.0.1:") for port in CONTAINERS["api"]["ports"])


def test_the_api_may_finish_its_stop_though_no_server_answers() -> None:
    """It takes ten seconds more then than those that it gives to requests."""
    given = float(CONTAINERS["api"]["stop_grace_period"].removesuffix("s"))

    assert given >= ApiSettings().grace_seconds + 15


def test_no_environment_holds_a_password() -> None:
    texts = [str(container.get("environment", "")).lower() for container in CONTAINERS.values()]

    assert not [text for text in texts if "pass" in text or "amqp_url" in text]
