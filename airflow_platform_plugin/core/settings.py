"""The section ``[platform]`` of Airflow's configuration; docs/settings.md lists every option."""

from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from airflow_platform_plugin.airflow_compat import config

Seconds = Annotated[float, Field(gt=0)]


# Databases with a server, and what speaks HTTP or mail; `connections.kinds` knows what is safe in each.
_CONNECTION_TYPES = (
    "postgres, postgresql, postgresql+psycopg, postgresql+psycopg2, postgresql+asyncpg, mysql, "
    "mysql+pymysql, mysql+mysqldb, mysql+mysqlconnector, mariadb, mariadb+pymysql, clickhouse, redis, "
    "http, imap, smtp"
)


class Settings(BaseModel):
    """The options and their defaults. A value that does not fit raises ``pydantic.ValidationError``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    auto_migrate: bool = Field(
        default=True,
        description="Create and upgrade the platform's tables when the webserver or the scheduler starts.",
    )
    worker: bool = Field(
        default=True,
        description="Run the worker as a child process of the scheduler. "
        "Turn it off where `airflow-platform worker` runs by itself.",
    )
    worker_interval: Seconds = Field(
        default=1.0, description="Seconds between two rounds of the worker's steps."
    )
    event_retention_days: Annotated[int, Field(ge=1)] = Field(
        default=30, description="Days after which events and their webhook deliveries are deleted."
    )
    webhook_timeout: Seconds = Field(
        default=10.0,
        description="Seconds that one attempt of a delivery may take in all: looking up the name, "
        "connecting, sending and the answer.",
    )
    webhook_proxy: Annotated[str, Field(pattern=r"^https?://")] | None = Field(
        default=None,
        description="The proxy that deliveries go through, `http://user:password@proxy.example.com:3128`; "
        "unless given, none: variables such as `HTTPS_PROXY` are not read.",
    )
    max_body_bytes: Annotated[int, Field(ge=1)] = Field(
        default=1_048_576,
        description="The longest body that the platform's endpoints take. "
        "`[webserver] allowed_payload_size` counts as well, and for Airflow's own.",
    )
    rate_limits: bool = Field(
        default=True, description="Limit how often each key, user and address may call the API."
    )
    rate_limit_read: str = Field(
        default="1000/minute", description="How often one may call what reads: GET, and lists by POST."
    )
    rate_limit_write: str = Field(
        default="100/minute", description="How often one may call what writes: POST, PUT and PATCH."
    )
    rate_limit_delete: str = Field(default="50/minute", description="How often one may call DELETE.")
    rate_limit_query: str = Field(
        default="100/hour", description="How often one may send an analytics query."
    )
    rate_limit_bulk: str = Field(
        default="10/minute", description="How often one may change many things in one request."
    )
    rate_limit_user_query: str = Field(
        default="500/hour",
        description="How many analytics queries one user may send, with all keys, tokens, passwords and "
        "browsers together.",
    )
    rate_limit_user_bulk: str = Field(
        default="50/minute",
        description="How often one user may change many things in one request, with all of these together.",
    )
    rate_limit_failed: str = Field(
        default="30/minute",
        description="How many wrong keys, passwords and clients' secrets may come from one address.",
    )
    rate_limit_browsers: bool = Field(
        default=False, description="Limit the sessions of browsers too, each user's together."
    )
    rate_limit_storage: str = Field(
        default="platform-file://",
        description="Where requests are counted: in `AIRFLOW_HOME/platform/rate-limits`, in another file "
        "(`platform-file:///a/path`) of the webserver's host, or in whatever the library `limits` knows, "
        "such as `redis://host:6379/0`, for several hosts.",
    )
    api_keys_per_user: Annotated[int, Field(ge=1)] = Field(
        default=50,
        description="The most API keys that one user may have which are neither revoked nor expired.",
    )
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
    datakit_runners: str = Field(
        default="process",
        description="How DataKits run: `process`, `docker` or `kubernetes`; or for each environment, "
        "`production=kubernetes, *=process`.",
    )
    require_installed_kits: bool = Field(
        default=False,
        description="Refuse a deploy to the runner `process` where the webserver does not have the kit "
        "installed; otherwise the answer warns.",
    )
    tenant_max_deployments: Annotated[int, Field(ge=1)] = Field(
        default=1000,
        description="The most deployments that one tenant may have: all are in one file, which Airflow "
        "parses again and again.",
    )
    tenant_images: Annotated[str, Field(pattern="/$")] | None = Field(
        default=None,
        description="What the images of tenants' own kits must begin with, such as "
        "`registry.example/{tenant_id}/`; unless given, any image will do.",
    )
    docker_url: str | None = Field(
        default=None,
        description="The engine of the runner `docker`, `unix:///socket` or `tcp://host:port`; unless given, "
        "`DOCKER_HOST` or the usual socket.",
    )
    docker_network: str | None = Field(
        default=None,
        description="The network of containers, such as `none`, `bridge` or a name; unless given, none for "
        "the kits of tenants, and the engine's own for the platform's.",
    )
    docker_connection: str | None = Field(
        default=None, description="The Airflow connection, of type docker, that logs in to the registry."
    )
    kubernetes_connection: str = Field(
        default="kubernetes_default",
        description="The Airflow connection of the runner `kubernetes`; where there is none of that name, "
        "it takes the cluster that Airflow itself runs in, or `KUBECONFIG`.",
    )
    kubernetes_pod_template: str | None = Field(
        default=None,
        description="A file with a pod that the pods of kits are made from: node selectors, tolerations, "
        "a service account, pull secrets.",
    )
    query_max_rows: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="The most rows one analytics query may return."
    )
    query_max_timeout: Seconds = Field(
        default=100.0,
        description="The longest that one analytics query may run, in seconds. "
        "Keep it below `[webserver] web_server_worker_timeout`, which ends the whole web worker.",
    )
    query_max_bytes: Annotated[int, Field(ge=1000)] = Field(
        default=10_000_000, description="The longest that the rows of one analytics query may be, as JSON."
    )
    query_max_memory: Annotated[int, Field(ge=33_554_432)] = Field(
        default=536_870_912,
        description="The bytes of memory that one analytics query on a DuckDB or SQLite file may use: it "
        "runs on the webserver's host.",
    )
    query_database: str = Field(
        default="warehouse", description="The connection that queries go to which name no database."
    )
    query_functions: str = Field(
        default="",
        description="Functions, separated by commas, that analytics queries may call in addition to those "
        "that are known to have no effects: your own, by name, with a schema, or by a pattern such as "
        "`st_*`.",
    )
    oauth_access_token_seconds: Annotated[int, Field(ge=1)] = Field(
        default=3600, description="Seconds that an OAuth access token counts."
    )
    oauth_refresh_token_days: Annotated[int, Field(ge=1)] = Field(
        default=30, description="Days in which an OAuth refresh token can be used, once, for new tokens."
    )

    @property
    def query_function_names(self) -> frozenset[str]:
        """The names in ``query_functions``."""
        return frozenset(name.strip() for name in self.query_functions.split(",") if name.strip())


@cache
def get() -> Settings:
    """The settings of this process, read once: Airflow's own configuration does not change either."""
    given = {name: config.platform_option(name) for name in Settings.model_fields}
    return Settings.model_validate({name: value for name, value in given.items() if value is not None})
