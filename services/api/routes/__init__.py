"""The endpoints, a file per kind of thing."""
