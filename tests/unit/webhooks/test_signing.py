"""Signatures are those of Standard Webhooks, as its own library computes and checks them."""

from __future__ import annotations

import base64
from datetime import datetime, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from libs.webhooks.signing import new_secret, signature

BODY = b'{"type":"io.album.album.created.v1"}'


def test_a_signature_is_the_one_that_the_library_computes() -> None:
    secret, now = new_secret(), datetime(2026, 11, 22, 8, tzinfo=timezone.utc)

    expected = Webhook(secret.get_secret_value()).sign("an-id", now, BODY.decode())

    assert signature(secret, "an-id", round(now.timestamp()), BODY) == expected


def test_the_library_accepts_it_and_nothing_else_under_it() -> None:
    secret, now = new_secret(), round(datetime.now(timezone.utc).timestamp())
    headers = {
        "webhook-id": "an-id",
        "webhook-timestamp": str(now),
        "webhook-signature": signature(secret, "an-id", now, BODY),
    }

    assert Webhook(secret.get_secret_value()).verify(BODY, headers) == {"type": "io.album.album.created.v1"}
    for changed in ({"webhook-id": "other"}, {"webhook-timestamp": str(now + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret.get_secret_value()).verify(BODY, headers | changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret.get_secret_value()).verify(BODY + b" ", headers)


def test_secrets_have_their_prefix_enough_random_bytes_and_are_not_printed() -> None:
    one, other = new_secret(), new_secret()

    assert one != other
    assert one.get_secret_value().startswith("whsec_")
    assert 24 <= len(base64.b64decode(one.get_secret_value().removeprefix("whsec_"))) <= 64
    assert one.get_secret_value() not in f"{one!r} {one}"
