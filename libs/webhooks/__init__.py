"""Webhooks: who is called, what is due to whom, and what came of it. The API registers them, the notifier calls."""
