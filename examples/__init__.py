"""Subscribers of Album's events, small enough to begin from."""
