"""What a consent page says of scopes. Pure."""

from collections.abc import Collection

from airflow_platform_plugin.core import scopes

# For each resource, what its scopes allow: to read, and to read and write.
_WORDS = {
    "dags": ("See DAGs, their code and datasets", "See, pause, reparse and delete DAGs"),
    "dag_runs": ("See DAG runs", "See, trigger, clear, mark and delete DAG runs"),
    "tasks": ("See task instances, their logs and XComs", "See, clear and mark task instances"),
    "connections": ("See connections, without their secrets", "See, make, change and delete connections"),
    "variables": ("See variables and their values", "See, make, change and delete variables"),
    "pools": ("See pools", "See, make, change and delete pools"),
    "tenants": ("See tenants", "See, make and change tenants"),
    "datakits": ("See DataKits and their deployments", "See, register and deploy DataKits"),
    "analytics": ("Query every SQL connection, read-only", "Query SQL connections and manage saved queries"),
    "webhooks": ("See webhooks", "See, make, change and delete webhooks"),
    "api_keys": ("See your API keys", "Make, change and revoke API keys that act as you"),
    "oauth_clients": ("See OAuth clients", "See, make, change and delete OAuth clients"),
    "admin": ("See configuration, users and roles", "See configuration, and change users and roles"),
}
# For scopes that neither of the two implies.
_MORE = {"connections:export": "Export connections with their secrets, encrypted"}


def sentences(granted: Collection[str]) -> list[str]:
    """What the scopes allow, in words: one for each resource, and one for each scope beside those."""
    found = []
    for resource in scopes.RESOURCES:
        reads, writes = _WORDS[resource]
        if f"{resource}:write" in granted:
            found.append(writes)
        elif f"{resource}:read" in granted:
            found.append(reads)
    return found + [words for scope, words in _MORE.items() if scope in granted]
