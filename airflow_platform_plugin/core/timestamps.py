"""Moments as the API writes them."""

from datetime import datetime, timezone


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, such as ``2024-01-15T10:30:00Z``; microseconds only where there are any."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
