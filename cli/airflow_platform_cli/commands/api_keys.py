"""``airflow-cli api-keys``."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer

from airflow_platform_cli.arguments import ScopesOption, identifier, moment, names
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="API keys: one's own, and others' with the permission.", no_args_is_help=True)

COLUMNS = ("id", "name", "owner", "tenant_id", "scopes", "expires_at", "last_used_at", "revoked_at")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY_ID", parser=identifier)]
DagsOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Only for these DAGs; sales_* are all that begin so.")
]
TagsOption = Annotated[str | None, typer.Option(metavar="A,B", help="Only for DAGs with any of these tags.")]
NetworksOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Only from these networks, such as 10.0.0.0/8.")
]
ExpiryOption = Annotated[datetime | None, typer.Option(parser=moment, metavar="DATE", help="When it ends.")]
TenantOption = Annotated[str | None, typer.Option(help="For which tenant.")]


class Limit(str, Enum):
    """What a key can be limited by."""

    SCOPES = "scopes"
    ALLOWED_DAGS = "allowed_dags"
    ALLOWED_NETWORKS = "allowed_networks"
    EXPIRES_AT = "expires_at"
    TENANT_ID = "tenant_id"


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="What to call it.")],
    owner: Annotated[str | None, typer.Option(help="As whom it acts, if not as yourself.")] = None,
    scopes: ScopesOption = None,
    dags: DagsOption = None,
    tags: TagsOption = None,
    networks: NetworksOption = None,
    expires_at: ExpiryOption = None,
    tenant: TenantOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Make a key; it is shown this once."""
    limits = _limits(
        scopes=scopes, dags=dags, tags=tags, networks=networks, expires_at=expires_at, tenant=tenant
    )
    with connect() as client:
        show(client.api_keys.create(name, owner=owner, **limits), output)


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    *,
    revoked: Annotated[bool, typer.Option("--revoked", help="Revoked ones too.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """List keys, without their text."""
    with connect() as client:
        keys = client.api_keys.list(owner=owner, tenant_id=tenant, revoked=revoked)
        show_list(keys, COLUMNS, output)


@app.command()
def get(key_id: KeyArgument, output: OutputOption = Format.TABLE) -> None:
    """Show a key, without its text."""
    with connect() as client:
        show(client.api_keys.get(key_id), output)


@app.command()
def update(
    key_id: KeyArgument,
    *,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    scopes: ScopesOption = None,
    dags: DagsOption = None,
    tags: TagsOption = None,
    networks: NetworksOption = None,
    expires_at: ExpiryOption = None,
    tenant: TenantOption = None,
    remove: Annotated[
        list[Limit] | None, typer.Option("--remove", help="A limit to remove; can be repeated.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Change a key's name or limits."""
    changes: dict[str, Any] = {limit.value: None for limit in remove or []}
    changes |= _limits(
        scopes=scopes, dags=dags, tags=tags, networks=networks, expires_at=expires_at, tenant=tenant
    )
    if name:
        changes["name"] = name
    if not changes:
        raise typer.BadParameter("Say what to change.")
    with connect() as client:
        show(client.api_keys.update(key_id, **changes), output)


@app.command()
def rotate(
    key_id: KeyArgument,
    overlap_seconds: Annotated[int, typer.Option(min=0, help="How long the old one works on.")] = 3600,
    output: OutputOption = Format.TABLE,
) -> None:
    """Replace a key by a new one with the same limits; it is shown this once."""
    with connect() as client:
        show(client.api_keys.rotate(key_id, overlap_seconds=overlap_seconds), output)


@app.command()
def revoke(key_id: KeyArgument, output: OutputOption = Format.TABLE) -> None:
    """End a key at once and for good."""
    with connect() as client:
        client.api_keys.revoke(key_id)
    show({"id": key_id, "revoked": True}, output)


def _limits(
    *,
    scopes: str | None,
    dags: str | None,
    tags: str | None,
    networks: str | None,
    expires_at: datetime | None,
    tenant: str | None,
) -> dict[str, Any]:
    allowed_dags = {"dag_ids": names(dags), "tags": names(tags)}
    limits = {
        "scopes": names(scopes),
        "allowed_dags": {kind: values for kind, values in allowed_dags.items() if values} or None,
        "allowed_networks": names(networks),
        "expires_at": expires_at,
        "tenant_id": tenant,
    }
    return {name: value for name, value in limits.items() if value is not None}
