"""The subscriber that calls webhooks."""
