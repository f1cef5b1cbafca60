"""Settings of connections."""

from pydantic import Field

from airflow_platform_plugin.core.settings import Settings

# Databases with a server, HTTP and mail; `tenant_rules.connection_types` has the safe fields of each type.
_CONNECTION_TYPES = (
    "postgres, postgresql, postgresql+psycopg, postgresql+psycopg2, postgresql+asyncpg, mysql, "
    "mysql+pymysql, mysql+mysqldb, mysql+mysqlconnector, mariadb, mariadb+pymysql, clickhouse, redis, "
    "http, imap, smtp"
)


class ConnectionSettings(Settings):
    """Settings of connections."""

    internal_hosts: str = Field(
        default="10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,*.internal,*.svc.cluster.local,"
        "!metadata.google.internal,!instance-data.ec2.internal",
        description="Hosts that a tenant's connections may name without the feature `external_connections`: "
        "networks, names and patterns of names. `!` before an entry refuses it to every tenant. The server "
        "itself, link-local and metadata addresses need an explicit entry, such as `localhost`. Airflow's "
        "own database and broker need one with the port, such as `db.internal:5432`.",
    )
    tenant_connection_types: str = Field(
        default=_CONNECTION_TYPES,
        description="Connection types that tenants may create, written exactly as here. A type that you add "
        "runs with the server's rights: its hook may read files or follow its extra.",
    )
