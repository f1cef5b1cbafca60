"""Every feature's tables: the one list Alembic sees."""

from airflow_platform_plugin.auth import models as auth
from airflow_platform_plugin.auth.oauth import models as oauth
from airflow_platform_plugin.connections import models as connections
from airflow_platform_plugin.core.cursors import Cursor
from airflow_platform_plugin.core.events import Event
from airflow_platform_plugin.core.heartbeat import Step
from airflow_platform_plugin.datakits import models as datakits
from airflow_platform_plugin.http.idempotency import Claim
from airflow_platform_plugin.runs import models as runs
from airflow_platform_plugin.runs.backfill import models as backfill
from airflow_platform_plugin.tenants import models as tenants
from airflow_platform_plugin.webhooks import models as webhooks

__all__ = [
    "Claim",
    "Cursor",
    "Event",
    "Step",
    "auth",
    "backfill",
    "connections",
    "datakits",
    "oauth",
    "runs",
    "tenants",
    "webhooks",
]
