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
        description="The hosts that connections of a tenant may name without the feature "
        "`external_connections`: networks, names and patterns of names; `!` before one refuses it to every "
        "tenant. The server itself, link-local and metadata addresses need an entry of their own, such as "
        "`localhost`, and Airflow's own database and broker one with the port, `db.internal:5432`.",
    )
    tenant_connection_types: str = Field(
        default=_CONNECTION_TYPES,
        description="The types of connections that tenants may make, written exactly as here. "
        "A type that you add is used with the server's rights: its hook may read files or follow its extra.",
    )
