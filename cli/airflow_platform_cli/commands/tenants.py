"""``airflow-cli tenants``."""

from typing import Annotated

import typer

from airflow_platform_cli.arguments import FileOption, document, identifier
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Tenants: teams that share the platform.", no_args_is_help=True)

TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", parser=identifier)]

COLUMNS = ("tenant_id", "display_name", "namespace", "resource_limits", "admin_users")


@app.command()
def create(file: FileOption, output: OutputOption = Format.TABLE) -> None:
    """Create a tenant."""
    fields = document(file, "tenant_id")
    with connect() as client:
        show(client.tenants.create(**fields), output)


@app.command("list")
def list_(
    namespace: Annotated[str | None, typer.Option(help="Only the one of this namespace.")] = None,
    search: Annotated[str | None, typer.Option(help="Part of an id or a name.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List tenants."""
    with connect() as client:
        show_list(client.tenants.list(namespace=namespace, search=search), COLUMNS, output)


@app.command()
def get(tenant_id: TenantArgument, output: OutputOption = Format.TABLE) -> None:
    """Show a tenant."""
    with connect() as client:
        show(client.tenants.get(tenant_id), output)


@app.command()
def update(tenant_id: TenantArgument, file: FileOption, output: OutputOption = Format.TABLE) -> None:
    """Change a tenant: what the file names is merged with what it has, and null removes a key."""
    changes = document(file)
    if changes.pop("tenant_id", tenant_id) != tenant_id:
        raise typer.BadParameter(f"{file.name} is about another tenant.")
    with connect() as client:
        show(client.tenants.update(tenant_id, **changes), output)


@app.command()
def usage(tenant_id: TenantArgument, output: OutputOption = Format.TABLE) -> None:
    """Show what a tenant owns, and what of its limits that needs."""
    with connect() as client:
        show(client.tenants.usage(tenant_id), output)


@app.command()
def delete(
    tenant_id: TenantArgument,
    *,
    cascade: Annotated[bool, typer.Option("--cascade", help="With all that it owns.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete a tenant."""
    with connect() as client:
        client.tenants.delete(tenant_id, cascade=cascade or None)
    show({"tenant_id": tenant_id, "deleted": True}, output)
