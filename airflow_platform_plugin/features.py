"""What features know of one another without importing each other: each list once, the same in every process.

It sees all features, so those below it read it lazily, in the function that asks.
"""

from airflow_platform_plugin.connections import references
from airflow_platform_plugin.connections import tenant_resources as connections
from airflow_platform_plugin.deployments import connection_references as datakit_usage
from airflow_platform_plugin.deployments import tenant_resources as datakits
from airflow_platform_plugin.tenants import resources
from airflow_platform_plugin.webhooks import tenant_resources as webhooks

# What tenants own, in the order in which it ends with them.
HOLDINGS: list[resources.TenantResource] = [
    datakits.DEPLOYMENTS,
    datakits.KITS,
    webhooks.HOLDING,
    connections.HOLDING,
    resources.API_KEYS,
]
# What names connections.
CONNECTION_USERS: list[references.ReferenceFinder] = [references.DAGS, datakit_usage.USERS]
