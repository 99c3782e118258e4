"""The alerts are tried out: `promtool` does it where there is one, and this says that none is left out."""

from __future__ import annotations

import re

import anyio
import pytest
import yaml

from libs.shared.metrics import Metrics
from tests.support import promql

TRIALS = promql.DEPLOY / "verify/alerts.yml"


def test_every_alert_is_tried_out_when_it_fires_and_when_it_does_not() -> None:
    tried = [one for trial in yaml.safe_load(TRIALS.read_text())["tests"] for one in trial["alert_rule_test"]]
    firing = {one["alertname"] for one in tried if one.get("exp_alerts")}

    assert firing == {one["alertname"] for one in tried if not one.get("exp_alerts")} == set(promql.alerts())


def test_a_job_of_which_no_target_is_left_is_down() -> None:
    """A resolver drops what has stopped, and a series that is gone is not 0."""
    scraped = yaml.safe_load((promql.DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]

    missed = re.findall(r'absent\(up\{job="([\w-]+)"\}\)', promql.alerts()["AlbumDown"])

    assert missed == [job["job_name"] for job in scraped]


@pytest.mark.parametrize(("error", "told"), [("KeyError", 1), ("ContractBreach", 0), (None, 0)])
def test_only_an_error_that_nobody_foresaw_is_a_bug(error: str | None, told: int) -> None:
    metrics = Metrics()

    async def handle(message: bytes) -> str | None:
        return error

    anyio.run(metrics.measured("album.decoder.v1", handle), b"")

    assert len(promql.counted(promql.alerts()["AlbumBugs"], metrics.exposition().decode())) == told
