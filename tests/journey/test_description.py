"""The server does what its description says, whatever is asked: Schemathesis makes up requests from /openapi.json."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import one_of
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from libs.shared.errors import FailureCode
from services.api.problems import STATUSES
from tests.support.keys import make_key
from tests.support.stack import Stack

EXAMPLES = 20
"""Requests made up for an endpoint; more would take longer than people wait."""
MODES: tuple[Any, ...] = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
made_up = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def key(guarded: Stack) -> str:
    return make_key(guarded, "anna", "read,write,admin")


def try_everything(url: str, headers: dict[str, str]) -> None:
    """Ask every endpoint for things that its description allows, and for things that it does not."""
    # An event stream does not end, so nothing would come after it; `test_events` is about it.
    description = schemathesis.openapi.from_url(f"{url}/openapi.json").exclude(path="/events")
    operations = [found.ok() for found in description.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 20
    for operation in operations:
        # Both ways in one, since of some endpoints nothing can be asked that is not allowed.
        @made_up
        @given(one_of(*(operation.as_strategy(generation_mode=mode) for mode in MODES)))
        def try_one(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, headers=headers)

        try_one()


def test_a_server_without_keys_answers_as_described(stack: Stack) -> None:
    try_everything(stack.url, {})


def test_with_a_key_it_answers_as_described(guarded: Stack, key: str) -> None:
    try_everything(guarded.url, {"authorization": f"Bearer {key}"})


def test_without_its_key_it_answers_as_described(guarded: Stack, key: str) -> None:
    try_everything(guarded.url, {"authorization": "Bearer nothing"})


def test_every_operation_is_described_under_an_id_of_its_own(stack: Stack) -> None:
    description = httpx.get(f"{stack.url}/openapi.json").json()
    operations = [each for path in description["paths"].values() for each in path.values()]
    ids = Counter(operation["operationId"] for operation in operations)

    assert len(ids) > 20
    assert [name for name, count in ids.items() if count > 1] == []


def codes_of(operation: dict[str, Any]) -> set[str]:
    """The codes that an operation's description lists."""
    refusals = [answer for status, answer in operation["responses"].items() if status.isdigit() and int(status) >= 400]
    schemas = [answer["content"]["application/json"]["schema"] for answer in refusals if answer.get("content")]
    return {code for schema in schemas for code in schema.get("allOf", [{}])[-1]["properties"]["code"]["enum"]}


def test_the_description_lists_every_code_where_it_may_come(stack: Stack) -> None:
    paths = httpx.get(f"{stack.url}/openapi.json").json()["paths"]
    listed = {path: codes_of(operation) for path, methods in paths.items() for operation in methods.values()}
    everywhere = paths["/livez"]["get"]["responses"]["default"]["description"]

    assert set().union(*listed.values()) >= {code for code in STATUSES if code not in everywhere}
    assert listed["/album/list"] == {"invalid-request", "unavailable"}
    assert listed["/job/retry"] >= {"job-not-found", "job-not-failed"}
    assert listed["/album/image/upload"] >= {"album-not-found", "file-too-large", "busy", "storage-full"}
    assert listed["/album/thumbnail/{thumbnail_id}"] >= {"thumbnail-not-found", *get_args(FailureCode)}


def test_the_description_lists_the_refusal_of_a_format_under_the_status_it_comes_with(stack: Stack) -> None:
    paths = httpx.get(f"{stack.url}/openapi.json").json()["paths"]
    upload, read = (paths[path]["post"]["responses"] for path in ("/album/image/upload", "/album/image/get"))

    assert (upload["415"]["description"], "415" in read) == ("unsupported-format", False)
    assert "unsupported-format" not in upload["422"]["description"]
    assert "unsupported-format" in read["422"]["description"]


def test_the_description_promises_a_status_and_a_message_in_every_answer(stack: Stack) -> None:
    schemas = httpx.get(f"{stack.url}/openapi.json").json()["components"]["schemas"]
    answers = [schema for name, schema in schemas.items() if name == "Done" or name.endswith("Answer")]

    assert len(answers) > 15
    for schema in answers:
        assert {"status", "message"} <= set(schema["required"])


def test_the_description_tells_what_streams_and_pictures_come_as(stack: Stack) -> None:
    paths = httpx.get(f"{stack.url}/openapi.json").json()["paths"]

    assert list(paths["/events"]["get"]["responses"]["200"]["content"]) == ["text/event-stream"]
    assert "Retry-After" in paths["/album/image/get"]["post"]["responses"]["202"]["headers"]
    assert "ETag" in paths["/album/{album_id}/image/{image_id}"]["get"]["responses"]["200"]["headers"]


def test_the_description_knows_both_names_of_an_albums_name(stack: Stack) -> None:
    described = httpx.get(f"{stack.url}/openapi.json").json()["components"]["schemas"]["CreateAlbum"]

    for body in ({"album_name": "Summer"}, {"name": "Summer"}):
        Draft202012Validator(described).validate(body)
        assert httpx.post(f"{stack.url}/album/create", json=body).status_code == 201
    assert not Draft202012Validator(described).is_valid({})
