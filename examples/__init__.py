"""Clients, subscribers and a receiver of webhooks, small enough to begin from."""
