"""What PromQL asks for, for comparing it with what is really there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

DEPLOY = Path(__file__).parents[2] / "deploy"
_QUIET = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)')
_WORD = re.compile(r"[A-Za-z_:][\w:]*(?!\w*\s*\()")
_NO_METRICS = {"and", "or", "unless", "bool", "offset"}
_SERVER_MAKES = {"up"}
_KEPT = re.compile(r"\bby\s*\(([^)]*)\)")
_DURATION = re.compile(r"\b\d+[smhd]\b")
_SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "=~": lambda value, wanted: re.fullmatch(wanted, value) is not None,
    "!~": lambda value, wanted: re.fullmatch(wanted, value) is None,
}


def metric_names(expression: str) -> set[str]:
    """What an expression asks for, without functions, labels, durations and what Prometheus itself makes."""
    bare = _DURATION.sub(" ", _QUIET.sub(" ", expression))
    return set(_WORD.findall(bare)) - _NO_METRICS - _SERVER_MAKES


def labels_asked(expression: str) -> set[tuple[str, str]]:
    """Which labels an expression asks of which metrics: those that it selects by, and those that it keeps."""
    selected = {
        (name, label) for name, matchers in _SELECTOR.findall(expression) for label, _, _ in _MATCHER.findall(matchers)
    }
    asked = selected | {(name, label) for name in metric_names(expression) for label in labels_kept(expression)}
    return {(name, label) for name, label in asked if name not in _SERVER_MAKES}


def labels_kept(expression: str) -> set[str]:
    """The labels that an expression's result has, as far as it says so."""
    return {label.strip() for kept in _KEPT.findall(expression) for label in kept.split(",")}


def labels_exposed(exposition: str) -> set[tuple[str, str]]:
    """The labels that the series of a ``/metrics`` have, with the name of each."""
    samples = [sample for family in text_string_to_metric_families(exposition) for sample in family.samples]
    return {(sample.name, label) for sample in samples for label in sample.labels}


def rules() -> list[dict[str, Any]]:
    """The alerts as Prometheus reads them."""
    document = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> dict[str, str]:
    """The expression of each alert by its name."""
    return {rule["alert"]: rule["expr"] for rule in rules()}


def panels() -> dict[str, list[str]]:
    """The expressions of each panel of the dashboard by its title."""
    document = json.loads((DEPLOY / "grafana/album.json").read_text())
    return {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in document["panels"]}


def counted(expression: str, exposition: str) -> list[dict[str, str]]:
    """The labels of those series above zero in a ``/metrics`` that an expression selects by labels."""
    asked = [(name, _MATCHER.findall(matchers)) for name, matchers in _SELECTOR.findall(expression)]
    samples = [sample for family in text_string_to_metric_families(exposition) for sample in family.samples]
    return [
        sample.labels
        for sample in samples
        if sample.value > 0
        and any(
            sample.name == name and all(_MATCHES[how](sample.labels.get(label, ""), to) for label, how, to in matchers)
            for name, matchers in asked
        )
    ]


def exposed_names(exposition: str) -> set[str]:
    """The names that a ``/metrics`` announces, those of histograms and summaries with their endings."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE):
        names.add(name)
        if kind in ("histogram", "summary"):
            names |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return names
