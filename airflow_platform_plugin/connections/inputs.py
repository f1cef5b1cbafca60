"""What the services of connections take."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.types import Json

Extra: TypeAlias = dict[str, Json]
FieldPath: TypeAlias = tuple[str, ...]  # where a value is: ``("extra", "headers", "Authorization")``
OnConflict = Literal["fail", "skip", "overwrite"]


@dataclass(frozen=True, kw_only=True)
class ConnectionFields:
    """The fields of a connection that Airflow stores.

    Attributes:
        connection_type: Airflow's ``conn_type``: ``postgres``, ``http``.
        description: for people.
        host: a name, an address, a URL or a path, as the type takes it.
        port: the port.
        schema: the database; ``http`` or ``https`` for a connection over HTTP.
        login: the user name.
        password: the password.
        extra: more fields of the type; None and an empty object are the same.
    """

    connection_type: str
    description: str | None = None
    host: str | None = None
    port: int | None = None
    schema: str | None = None
    login: str | None = None
    password: str | None = None
    extra: Extra | None = None


@dataclass(frozen=True, kw_only=True)
class NewConnection(ConnectionFields):
    """A connection to create.

    Attributes:
        connection_id: Airflow's ``conn_id``, unique across all tenants.
        tenant_id: the tenant that owns it; None for the caller's only one, or to share it with all tenants.
    """

    connection_id: str
    tenant_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class UnsavedConnection(NewConnection):
    """A connection to test without storing it."""

    connection_id: str = "untested"


class ConnectionChanges(TypedDict, total=False):
    """What to change of a connection. Its fields are ``NewConnection``'s; the id never changes.

    A ``tenant_id`` of None shares it with all tenants. Extra is merged key by key, and None removes a key.
    ``***`` keeps the secret that a response shows so.
    """

    connection_type: str
    description: str | None
    host: str | None
    port: int | None
    schema: str | None
    login: str | None
    password: str | None
    extra: Extra | None
    tenant_id: str | None


@dataclass(frozen=True, kw_only=True)
class ConnectionFilter(pagination.Query):
    """Which connections to list.

    Attributes:
        connection_type: the type; any if None.
        tenant_id: the owning tenant; any if None.
        search: text in the name or the description, in any case; any if None.
    """

    connection_type: str | None = None
    tenant_id: str | None = None
    search: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """Connections to import: either the text of a file, or its content as an object.

    Attributes:
        content: the text of a file.
        format: the format of ``content``: ``json``, ``yaml`` or ``env``.
        connections: connections by name, or an encrypted export.
        passphrase: the passphrase of an encrypted export.
        tenant_id: the owner of connections for which the document names none.
        on_conflict: what to do with a connection that already exists.
        dry_run: report what the import would do, and write nothing.
    """

    content: str | None = None
    format: str
    connections: dict[str, Json] | None = None
    passphrase: str | None = None
    tenant_id: str | None = None
    on_conflict: OnConflict
    dry_run: bool
