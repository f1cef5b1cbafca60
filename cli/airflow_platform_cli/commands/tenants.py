"""The commands ``airflow-cli tenants``."""

from typing import Annotated

import typer

from airflow_platform_cli.arguments import FileOption, read_document
from airflow_platform_cli.commands import tenant_members
from airflow_platform_cli.commands.tenant_members import TenantArgument
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Tenants: teams that share the platform.", no_args_is_help=True)
app.add_typer(tenant_members.app, name="members")

COLUMNS = ("tenant_id", "display_name", "namespace", "resource_limits", "admin_users")


@app.command()
def create(file: FileOption, output: OutputOption = Format.TABLE) -> None:
    """Create a tenant from a file with its fields."""
    fields = read_document(file, "tenant_id")
    with connect() as client:
        show(client.tenants.create(**fields), output)


@app.command("list")
def list_(
    namespace: Annotated[str | None, typer.Option(help="Only the tenant with this namespace.")] = None,
    search: Annotated[str | None, typer.Option(help="Only tenants with this text in the id or name.")] = None,
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
    """Change a tenant. Objects in the file are merged key by key; null removes a key."""
    changes = read_document(file)
    if changes.pop("tenant_id", tenant_id) != tenant_id:
        raise typer.BadParameter(f"{file.name} has the tenant_id of another tenant.")
    with connect() as client:
        show(client.tenants.update(tenant_id, **changes), output)


@app.command()
def usage(tenant_id: TenantArgument, output: OutputOption = Format.TABLE) -> None:
    """Show what a tenant owns, and how much of its limits is used."""
    with connect() as client:
        show(client.tenants.usage(tenant_id), output)


@app.command()
def delete(
    tenant_id: TenantArgument,
    *,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Delete everything that the tenant owns as well.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete a tenant."""
    with connect() as client:
        client.tenants.delete(tenant_id, cascade=cascade or None)
    show({"tenant_id": tenant_id, "deleted": True}, output)
