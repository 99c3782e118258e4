"""Pages of the documentation site that are made, not written: the reference, and the repository's first pages.

A hook of the site's generator (``mkdocs.yml``). Made anew with every build, they cannot fall behind the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from properdocs.config.defaults import ProperDocsConfig
from properdocs.structure.files import File, Files
from properdocs.structure.pages import Page
from typer.cli import get_docs_for_click

from libs.shared.events import EVENTS, TYPE_PREFIX
from libs.shared.settings import LimitSettings
from libs.webhooks.settings import WebhookSettings
from services.api.contracts import event_schema
from services.api.main import create_app
from services.api.problems import STATUSES
from services.api.settings import ApiSettings
from services.cli.__main__ import app as command_line

ROOT = Path(__file__).parents[1]
FIRST_PAGES = {
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
Schema = dict[str, Any]


def on_files(files: Files, config: ProperDocsConfig) -> Files:
    """Add the pages that no file holds."""
    made = {
        "reference/http.md": http,
        "reference/events.md": events,
        "reference/settings.md": settings,
        "reference/command-line.md": commands,
        "decisions/index.md": decisions,
    }
    for address, make in made.items():
        files.append(File.generated(config, address, content=make()))
    for address, name in FIRST_PAGES.items():
        files.append(File.generated(config, address, content=_first_page(name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links to what is in the repository but not in the site become the names of what they lead to."""
    source = page.file.abs_src_path
    if source is None:
        return markdown

    def name(link: re.Match[str]) -> str:
        target = (Path(source).parent / link[2]).resolve()
        is_elsewhere = target.is_dir() or not target.is_relative_to(ROOT / "docs")
        return f"{link[1]} (`{target.relative_to(ROOT)}`)" if is_elsewhere and target.exists() else link[0]

    return re.sub(r"(?<!!)\[([^]]+)\]\(([^):#]+)\)", name, markdown)


def _first_page(name: str) -> str:
    """A page of the repository, with links as they are in the site."""
    text = (ROOT / name).read_text().replace("](docs/decisions)", "](decisions/index.md)").replace("](docs/", "](")
    for address, source in FIRST_PAGES.items():
        text = text.replace(f"]({source})", f"]({address})")
    return text


def settings() -> str:
    """The README's table, which a test compares with the settings classes."""
    found = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return f"# Settings\n\nEnvironment variables, the same however Album runs.\n\n{found.group(1)}"


def commands() -> str:
    """Every command and option, from the program itself."""
    command = typer.main.get_command(command_line)
    return get_docs_for_click(obj=command, ctx=typer.Context(command), name="album", title="Command line")


def decisions() -> str:
    """The decision records in order."""
    lines = ["# Decisions", ""]
    for file in sorted((ROOT / "docs/decisions").glob("*.md")):
        title = file.read_text().partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({file.name})")
    return "\n".join(lines)


def http() -> str:
    """Every endpoint with its fields and answers, from the OpenAPI document."""
    document = create_app(ApiSettings(), LimitSettings(), WebhookSettings()).openapi()
    schemas: dict[str, Schema] = document["components"]["schemas"]
    lines = ["# HTTP", "", "A running server has the same as `/openapi.json` and, to click through, at `/docs`.", ""]
    for path, operations in document["paths"].items():
        methods = " ".join(sorted(method.upper() for method in operations))
        operation = next(iter(operations.values()))
        lines += [f"## `{methods} {path}`", "", operation.get("description", ""), ""]
        lines += _table(("field", "where", "type", "meaning"), _request_fields(operation, schemas))
        lines += _table(("status", "answer"), _answers(operation, schemas))
    lines += [
        "## Codes of refusals",
        "",
        *_table(("code", "status"), ((f"`{c}`", str(s)) for c, s in STATUSES.items())),
    ]
    return "\n".join(lines)


def _request_fields(operation: Schema, schemas: dict[str, Schema]) -> Iterator[tuple[str, ...]]:
    for parameter in operation.get("parameters", ()):
        yield f"`{parameter['name']}`", parameter["in"], _type_of(parameter["schema"]), parameter.get("description", "")
    for content_type, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(body["schema"], schemas)
        for name, field in schema["properties"].items():
            needed = "" if name in schema.get("required", ()) else ", optional"
            yield f"`{name}`", content_type, _type_of(field) + needed, field.get("description", "")


def _answers(operation: Schema, schemas: dict[str, Schema]) -> Iterator[tuple[str, ...]]:
    for status, answer in sorted(operation["responses"].items()):
        if status == "default":  # what may come everywhere
            continue
        bodies = [_resolved(body.get("schema", {}), schemas) for body in answer.get("content", {}).values()]
        fields = [f"`{name}`" for body in bodies for name in body.get("properties", ())]
        yield status, ", ".join(fields) or answer["description"]


def events() -> str:
    """Every event with the fields of its data, from the list that the code publishes by."""
    lines = ["# Events", "", "CloudEvents 1.0; a running server has the AsyncAPI document at `/asyncapi.json`.", ""]
    for event in EVENTS:
        exchange = "`album.events` and `album.work`" if event.is_public else "`album.work` alone"
        schema = event_schema(event)
        needed = schema.get("required", ())
        rows = [
            (f"`{name}`", _type_of(field) + ("" if name in needed else ", optional"), field.get("description", ""))
            for name, field in schema["properties"].items()
        ]
        lines += [f"## `{event.routing_key}`", "", f"Type `{TYPE_PREFIX}{event.routing_key}`, on {exchange}.", ""]
        lines += _table(("field of `data`", "type", "meaning"), rows)
    return "\n".join(lines)


def _resolved(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _type_of(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_type_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "any"))
    return f"{kind} of {_type_of(schema['items'])}" if "items" in schema else kind


def _table(head: tuple[str, ...], rows: Any) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *lines, ""] if lines else []
