"""The ``album`` command: what operators type."""
