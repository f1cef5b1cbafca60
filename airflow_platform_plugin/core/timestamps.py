"""Timestamps in the format of the API."""

from datetime import datetime, timezone


def timestamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC, such as ``2024-01-15T10:30:00Z``; microseconds only if not 0."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
