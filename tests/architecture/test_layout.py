"""Rules about the tree that no other tool checks."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("libs", "services", "deploy")
PRODUCT = sorted(path for top in OURS for path in (ROOT / top).rglob("*.py"))
EVERY = sorted([*PRODUCT, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])

MAY_IMPORT = {
    "motor": {"libs/shared/mongo.py"},
    "pymongo": {
        "libs/shared/mongo.py",
        "libs/shared/mongo_errors.py",
        "libs/shared/gridfs.py",
        "libs/shared/indexes.py",
        "libs/shared/subscription.py",
        "libs/audit/",
        "libs/catalog/",
        "libs/webhooks/",
        "deploy/local/mongod.py",
    },
    "bson": {"libs/shared/gridfs.py", "libs/catalog/extended_json.py"},
    "httpcore": {"services/notifier/"},
    "aio_pika": {"libs/shared/rabbitmq.py", "libs/shared/declarations.py"},
    "pamqp": {"libs/shared/amqp_properties.py", "libs/shared/rabbitmq.py"},
    "fastapi": {"services/api/"},
    "starlette": {"services/api/"},
    "cachetools": {"services/api/"},
    "uvicorn": {"services/api/__main__.py", "services/api/connections.py"},
    "python_multipart": {"services/api/multipart.py"},
    "prometheus_client": {"libs/shared/metrics.py", "services/api/metrics.py"},
    "opentelemetry": {"libs/shared/tracing.py"},
    "PIL": {"services/decoder/", "services/thumbnailer/"},
    "pillow_heif": {"services/decoder/"},
    "pillow_avif": {"services/decoder/"},
    "typer": {"services/cli/"},
    "rich": {"services/cli/"},
    "os.environ": {"settings.py"},
}
"""Which files may know a technology, by the beginning or the end of their path."""

IMPORTED_AS = {"opentelemetry-api": "opentelemetry", "pillow": "PIL", "pyyaml": "yaml"}
"""Packages that are imported under another name."""
COMES_WITH = {"bson": "pymongo"}
"""Modules that are a part of a package of another name."""

RULED_OUT_NAMES = {"utils", "helpers", "common", "misc", "base", "manager"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            names.add("os.environ")
    return names


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_a_technology_is_known_only_where_it_is_adapted(path: Path) -> None:
    name = relative(path)
    for technology in imported(ast.parse(path.read_text())) & set(MAY_IMPORT):
        allowed = MAY_IMPORT[technology]
        assert any(name.startswith(place) or name.endswith(place) for place in allowed), (
            f"{name} imports {technology}, which belongs to {sorted(allowed)}"
        )


def declared() -> dict[str, set[str]]:
    """The packages that pyproject.toml asks for, as they are imported: always under ``""``, beside that by extra."""
    lists = re.findall(r"^([\w-]+) = (\[$.*?^\])", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)
    asked = {name: {re.split(r"[^\w-]", one)[0] for one in ast.literal_eval(packages)} for name, packages in lists}
    as_imported = {name: {IMPORTED_AS.get(one, one.replace("-", "_")) for one in of} for name, of in asked.items()}
    return {**as_imported, "": as_imported["dependencies"]}


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_a_package_that_is_imported_is_asked_for(path: Path) -> None:
    service = relative(path).split("/")[1] if path.is_relative_to(ROOT / "services") else ""
    extra = "dev" if path.is_relative_to(ROOT / "deploy/verify") else service
    there = declared()[""] | declared().get(extra, set())
    foreign = imported(ast.parse(path.read_text())) - sys.stdlib_module_names - {*OURS, "os.environ"}

    assert {COMES_WITH.get(name, name) for name in foreign} - there == set()


@pytest.mark.parametrize("path", EVERY, ids=relative)
def test_no_module_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [relative(path) for path in EVERY if path.stem in RULED_OUT_NAMES]


def test_errors_of_any_kind_are_caught_at_the_edges_only() -> None:
    edges = {
        "libs/shared/worker.py",
        "services/api/problems.py",
        "services/api/background.py",
        "services/api/dead_letters.py",
    }
    found = [relative(path) for path in PRODUCT if re.search(r"except Exception\b", path.read_text())]
    assert set(found) <= edges


def test_nothing_is_left_unfinished() -> None:
    unfinished = re.compile("TO" + r"DO\b|FIX" + "ME")
    assert not [relative(path) for path in PRODUCT if unfinished.search(path.read_text())]


def test_tests_neither_skip_nor_sleep() -> None:
    muted = re.compile("pytest" + r"\.(mark\.)?(skip|xfail)|time" + r"\.sleep\(|unittest" + r"\.mock")
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert not [relative(path) for path in tests if muted.search(path.read_text())]


def pins(name: str) -> set[str]:
    """The pins of a lock file, each with its hashes."""
    return set(re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()))


def test_pins_carry_no_addresses() -> None:
    assert not [pin for pin in pins("constraints.txt") if "://" in pin]


def test_what_a_service_imports_is_installed_where_all_of_them_run() -> None:
    [images] = re.findall(r"^IMAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    services = {folder.name for folder in (ROOT / "services").iterdir()}

    assert declared().keys() & services <= set(images.split())


def test_every_pin_has_hashes() -> None:
    assert len(pins("constraints.txt")) > 100
    assert [pin for pin in pins("constraints.txt") if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_what_running_needs_is_pinned_as_everywhere() -> None:
    assert len(pins("requirements.txt")) > 30
    assert pins("requirements.txt") <= pins("constraints.txt")


def test_the_version_is_the_same_wherever_it_stands() -> None:
    # An image has no pyproject.toml and no package of that name, and a bill of materials reads nothing else.
    places = {
        "pyproject.toml": r'^version = "([^"]+)"$',
        "services/api/main.py": r'^VERSION = "([^"]+)"$',
        "docs/asyncapi.json": r'^    "version": "([^"]+)"$',
        "deploy/kubernetes/overlays/example/kustomization.yaml": r"newTag: (\S+) \}$",
        "CHANGELOG.md": r"\A# Changelog\s+## (\S+)",
    }
    found = {name: set(re.findall(of, (ROOT / name).read_text(), re.MULTILINE)) for name, of in places.items()}

    assert {name: versions for name, versions in found.items() if len(versions) != 1} == {}
    assert len(set.union(*found.values())) == 1, found
