"""The features of the platform: the only list of them. Each declares itself in its ``feature.py``."""

from airflow_platform_plugin.analytics.feature import FEATURE as ANALYTICS
from airflow_platform_plugin.auth.feature import FEATURE as AUTH
from airflow_platform_plugin.auth.oauth.feature import FEATURE as OAUTH
from airflow_platform_plugin.connections.feature import FEATURE as CONNECTIONS
from airflow_platform_plugin.core.feature import Feature
from airflow_platform_plugin.datakits.feature import FEATURE as DATAKITS
from airflow_platform_plugin.deployments.feature import FEATURE as DEPLOYMENTS
from airflow_platform_plugin.openapi.feature import FEATURE as OPENAPI
from airflow_platform_plugin.ratelimit.feature import FEATURE as RATELIMIT
from airflow_platform_plugin.runs.backfill.feature import FEATURE as BACKFILL
from airflow_platform_plugin.runs.bulk.feature import FEATURE as BULK
from airflow_platform_plugin.runs.feature import FEATURE as RUNS
from airflow_platform_plugin.tenants.feature import FEATURE as TENANTS
from airflow_platform_plugin.webhooks.feature import FEATURE as WEBHOOKS

# Each after those that it is built on. Requests pass through their hooks in this order. When a tenant is
# deleted, what it owns ends in the reverse order, so deployments end before what they use.
FEATURES: tuple[Feature, ...] = (
    AUTH,
    OAUTH,
    RATELIMIT,
    TENANTS,
    CONNECTIONS,
    WEBHOOKS,
    DATAKITS,
    DEPLOYMENTS,
    ANALYTICS,
    RUNS,
    BACKFILL,
    BULK,
    OPENAPI,
)
