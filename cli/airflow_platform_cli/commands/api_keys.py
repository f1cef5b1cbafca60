"""The commands ``airflow-cli api-keys``."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer

from airflow_platform_cli.arguments import ScopesOption, parse_identifier, parse_timestamp, split_names
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(
    help="API keys: your own, and those of others if you have the permission.", no_args_is_help=True
)

COLUMNS = ("id", "name", "owner", "tenant_id", "scopes", "expires_at", "last_used_at", "revoked_at")

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY_ID", parser=parse_identifier, help="Id of the API key.")
]
DagsOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="DAGs that the key is limited to; patterns such as sales_*.")
]
TagsOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Tags of DAGs that the key is limited to.")
]
NetworksOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Networks that the key works from, such as 10.0.0.0/8.")
]
ExpiryOption = Annotated[
    datetime | None,
    typer.Option(parser=parse_timestamp, metavar="DATE", help="When the key expires, such as 2030-01-01."),
]
TenantOption = Annotated[str | None, typer.Option(help="Tenant that the key is limited to.")]


class Limit(str, Enum):
    """The limits of a key that can be removed."""

    SCOPES = "scopes"
    ALLOWED_DAGS = "allowed_dags"
    ALLOWED_NETWORKS = "allowed_networks"
    EXPIRES_AT = "expires_at"
    TENANT_ID = "tenant_id"


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Name of the key.")],
    owner: Annotated[str | None, typer.Option(help="User that the key acts as; by default you.")] = None,
    scopes: ScopesOption = None,
    dags: DagsOption = None,
    tags: TagsOption = None,
    networks: NetworksOption = None,
    expires_at: ExpiryOption = None,
    tenant: TenantOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Create an API key. Its secret text is shown only now."""
    limits = _build_limits(
        scopes=scopes, dags=dags, tags=tags, networks=networks, expires_at=expires_at, tenant=tenant
    )
    with connect() as client:
        show(client.api_keys.create(name, owner=owner, **limits), output)


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(help="Only keys of this user.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only keys of this tenant.")] = None,
    *,
    revoked: Annotated[bool, typer.Option("--revoked", help="Include revoked keys.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """List API keys, without their secret texts."""
    with connect() as client:
        keys = client.api_keys.list(owner=owner, tenant_id=tenant, revoked=revoked)
        show_list(keys, COLUMNS, output)


@app.command()
def get(key_id: KeyArgument, output: OutputOption = Format.TABLE) -> None:
    """Show an API key, without its secret text."""
    with connect() as client:
        show(client.api_keys.get(key_id), output)


@app.command()
def update(
    key_id: KeyArgument,
    *,
    name: Annotated[str | None, typer.Option(help="New name of the key.")] = None,
    scopes: ScopesOption = None,
    dags: DagsOption = None,
    tags: TagsOption = None,
    networks: NetworksOption = None,
    expires_at: ExpiryOption = None,
    tenant: TenantOption = None,
    remove: Annotated[
        list[Limit] | None, typer.Option("--remove", help="Limit to remove. Repeatable.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Change the name or the limits of an API key."""
    changes: dict[str, Any] = {limit.value: None for limit in remove or []}
    changes |= _build_limits(
        scopes=scopes, dags=dags, tags=tags, networks=networks, expires_at=expires_at, tenant=tenant
    )
    if name:
        changes["name"] = name
    if not changes:
        raise typer.BadParameter("Nothing to change; give at least one option.")
    with connect() as client:
        show(client.api_keys.update(key_id, **changes), output)


@app.command()
def rotate(
    key_id: KeyArgument,
    overlap_seconds: Annotated[
        int, typer.Option(min=0, help="Seconds that the old secret text still works.")
    ] = 3600,
    output: OutputOption = Format.TABLE,
) -> None:
    """Replace the secret text of an API key. The new one is shown only now."""
    with connect() as client:
        show(client.api_keys.rotate(key_id, overlap_seconds=overlap_seconds), output)


@app.command()
def revoke(key_id: KeyArgument, output: OutputOption = Format.TABLE) -> None:
    """Revoke an API key, at once and permanently."""
    with connect() as client:
        client.api_keys.revoke(key_id)
    show({"id": key_id, "revoked": True}, output)


def _build_limits(
    *,
    scopes: str | None,
    dags: str | None,
    tags: str | None,
    networks: str | None,
    expires_at: datetime | None,
    tenant: str | None,
) -> dict[str, Any]:
    """Return the limits that were given, as the SDK's methods take them."""
    allowed_dags = {"dag_ids": split_names(dags), "tags": split_names(tags)}
    limits = {
        "scopes": split_names(scopes),
        "allowed_dags": {kind: values for kind, values in allowed_dags.items() if values} or None,
        "allowed_networks": split_names(networks),
        "expires_at": expires_at,
        "tenant_id": tenant,
    }
    return {name: value for name, value in limits.items() if value is not None}
