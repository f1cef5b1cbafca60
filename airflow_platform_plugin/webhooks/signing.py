"""A delivery's body and headers, as in Standard Webhooks (standardwebhooks.com). Pure functions."""

import json
from base64 import b64encode
from datetime import datetime
from secrets import token_bytes
from typing import Any

from standardwebhooks.webhooks import Webhook

from airflow_platform_plugin.core.timestamps import timestamp


def new_secret() -> str:
    """Return a new signing secret, in the standard's form ``whsec_<base64>``."""
    return "whsec_" + b64encode(token_bytes(32)).decode()


def payload(event_type: str, occurred_at: datetime, data: dict[str, Any]) -> str:
    """Return the body of a delivery, as in the API reference."""
    return json.dumps({"event": event_type, "timestamp": timestamp(occurred_at), "data": data})


def headers(secret: str, *, message_id: str, sent_at: datetime, body: str) -> dict[str, str]:
    """Return the standard's headers, in lower case; ``message_id`` is the same in each attempt."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, sent_at, body),
    }
