"""The alerts are tried out: `promtool` does it where there is one, and this says that none is left out."""

from __future__ import annotations

import yaml

from tests.support import promql

TRIALS = promql.DEPLOY / "verify/alerts.yml"


def test_every_alert_is_tried_out_when_it_fires_and_when_it_does_not() -> None:
    tried = [one for trial in yaml.safe_load(TRIALS.read_text())["tests"] for one in trial["alert_rule_test"]]
    firing = {one["alertname"] for one in tried if one.get("exp_alerts")}

    assert firing == {one["alertname"] for one in tried if not one.get("exp_alerts")} == set(promql.alerts())
