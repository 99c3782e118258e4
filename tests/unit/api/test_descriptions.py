"""/openapi.json says what its fields mean, to people who have nothing else."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from libs.shared.settings import LimitSettings
from libs.webhooks.settings import WebhookSettings
from services.api import schemas, webhook_schemas
from services.api.main import create_app
from services.api.settings import ApiSettings

BODIES = [
    body
    for module in (schemas, webhook_schemas)
    for body in vars(module).values()
    if isinstance(body, type) and issubclass(body, BaseModel) and body.__module__ == module.__name__
]
NEED_WORDS = {"limit", "after", "next", "wait_seconds", "order", "variant", "content", "content_count", "state", "code"}
NEED_WORDS |= {"width", "height", "animated", "placeholder", "content_type", "length", "attempts", "timeline", "types"}
NEED_WORDS |= {"reason", "failing_since", "due_at", "problem", "secret", "since", "count", "any_orientation"}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_what_a_name_alone_does_not_say_is_described(body: type[BaseModel]) -> None:
    fields = body.model_json_schema(mode="serialization")["properties"] if body.model_fields else {}

    assert [name for name in NEED_WORDS & fields.keys() if "description" not in fields[name]] == []


def test_the_description_begins_with_what_holds_for_every_request() -> None:
    document = create_app(ApiSettings(), LimitSettings(), WebhookSettings()).openapi()

    assert "Authorization: Bearer" in document["info"]["description"]
    upload = document["paths"]["/album/image/upload"]["post"]
    assert "24 hours" in upload["parameters"][0]["description"]
