"""``airflow-cli tenants``."""

from typing import Annotated

import typer

from airflow_platform_cli.arguments import FileOption, document, identifier
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Tenants: teams that share the platform.", no_args_is_help=True)

COLUMNS = ("tenant_id", "display_name", "namespace", "resource_limits", "admin_users")


@app.command()
def create(file: FileOption, output: OutputOption = Format.TABLE) -> None:
    """Create a tenant."""
    fields = document(file, "tenant_id")
    with connect() as client:
        show(client.tenants.create(**fields), output)


@app.command("list")
def list_(output: OutputOption = Format.TABLE) -> None:
    """List tenants."""
    with connect() as client:
        tenants = client.tenants.list()
        show_list(tenants, COLUMNS, output)


@app.command()
def get(
    tenant_id: Annotated[str, typer.Argument(metavar="TENANT", parser=identifier)],
    output: OutputOption = Format.TABLE,
) -> None:
    """Show a tenant."""
    with connect() as client:
        show(client.tenants.get(tenant_id), output)
