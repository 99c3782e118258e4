"""The alerts are tried out: `promtool` does it where there is one, and this says that none is left out."""

from __future__ import annotations

import re

import yaml

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
