"""Webhooks: who is told of which events, signed and retried."""
