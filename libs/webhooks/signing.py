"""The signature of Standard Webhooks (https://www.standardwebhooks.com), by which receivers know who calls."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from pydantic import SecretStr

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> SecretStr:
    """A secret of a new webhook: ``whsec_`` and random bytes in base64."""
    return SecretStr(PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode())


def signature(secret: SecretStr, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature`` for a message; ``timestamp`` in seconds, as in ``webhook-timestamp``."""
    key = base64.b64decode(secret.get_secret_value().removeprefix(PREFIX))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()
