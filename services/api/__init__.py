"""The HTTP API, and the only writer of the catalog."""
