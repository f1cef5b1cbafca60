"""A delivery's body and headers, as Standard Webhooks (standardwebhooks.com) has them. Pure functions."""

import json
from base64 import b64encode
from datetime import datetime
from secrets import token_bytes
from typing import Any

from standardwebhooks.webhooks import Webhook

from airflow_platform_plugin.core.timestamps import timestamp


def new_secret() -> str:
    """A signing secret, in the standard's form ``whsec_<base64>``."""
    return "whsec_" + b64encode(token_bytes(32)).decode()


def payload(event_type: str, occurred_at: datetime, data: dict[str, Any]) -> str:
    """The body that is sent, as the API reference shows it."""
    return json.dumps({"event": event_type, "timestamp": timestamp(occurred_at), "data": data})


def headers(secret: str, *, message_id: str, sent_at: datetime, body: str) -> dict[str, str]:
    """The standard's headers, in lower case; ``message_id`` is the same in each attempt."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, sent_at, body),
    }
