"""What a private server sees of the environment."""

from __future__ import annotations

import os

# Variables with these prefixes would make a private node share names, ports or files with another one.
NOT_INHERITED = ("RABBITMQ_", "ERL_", "NOTIFY_SOCKET")


def inherited_environment() -> dict[str, str]:
    """This process's environment, less what would tie a private server to a system-wide one."""
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
