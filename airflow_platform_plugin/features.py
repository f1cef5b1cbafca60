"""What features know of one another without importing each other: each list once, the same in every process.

It sees all features, so those below it read it lazily, in the function that asks.
"""

from airflow_platform_plugin.connections import holding as connections
from airflow_platform_plugin.connections import usage
from airflow_platform_plugin.datakits import holding as datakits
from airflow_platform_plugin.datakits import usage as datakit_usage
from airflow_platform_plugin.tenants import holdings
from airflow_platform_plugin.webhooks import holding as webhooks

# What tenants own, in the order in which it ends with them.
HOLDINGS: list[holdings.Holding] = [
    datakits.DEPLOYMENTS,
    datakits.KITS,
    webhooks.HOLDING,
    connections.HOLDING,
    holdings.API_KEYS,
]
# What names connections.
CONNECTION_USERS: list[usage.Users] = [usage.DAGS, datakit_usage.USERS]
