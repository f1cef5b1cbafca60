"""The commands ``airflow-cli connections``."""

from enum import Enum
from typing import Annotated, Any

import typer
from airflow_platform.models import ConnectionTest
from airflow_platform.types import Json

from airflow_platform_cli.arguments import parse_identifier, parse_json_object, read_secret_from_stdin
from airflow_platform_cli.commands.connection_transfer import export, import_
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Connections: where Airflow finds databases and services.", no_args_is_help=True)

COLUMNS = ("connection_id", "connection_type", "host", "port", "schema", "tenant_id", "shared")

ConnectionArgument = Annotated[
    str, typer.Argument(metavar="CONNECTION", parser=parse_identifier, help="Id of the connection.")
]
TypeOption = Annotated[str, typer.Option("--type", help="Type of the connection, such as postgres.")]
HostOption = Annotated[
    str | None, typer.Option(help="Host name or address; some types use it for something else.")
]
PortOption = Annotated[int | None, typer.Option(help="Port number.")]
SchemaOption = Annotated[
    str | None, typer.Option(help="Name of the database; some types use it for something else.")
]
LoginOption = Annotated[str | None, typer.Option(help="User name.")]
PasswordOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
ExtraOption = Annotated[
    dict[str, Any] | None,
    typer.Option(
        parser=parse_json_object,
        metavar="JSON",
        help='Further settings of the type, such as {"sslmode": "require"}.',
    ),
]
DescriptionOption = Annotated[str | None, typer.Option(help="Description for people.")]
TenantOption = Annotated[str | None, typer.Option(help="Owning tenant.")]
TimeoutOption = Annotated[float, typer.Option(min=0.1, max=60, help="Seconds that the test may take.")]


class Field(str, Enum):
    """The fields of a connection that can be emptied."""

    HOST = "host"
    PORT = "port"
    SCHEMA = "schema"
    LOGIN = "login"
    PASSWORD = "password"  # noqa: S105 - a field's name
    EXTRA = "extra"
    DESCRIPTION = "description"


@app.command("list")
def list_(
    type_: Annotated[str | None, typer.Option("--type", help="Only connections of this type.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only connections of this tenant.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Only connections with this text in the id or description.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List connections."""
    with connect() as client:
        connections = client.connections.list(connection_type=type_, tenant_id=tenant, search=search)
        show_list(connections, COLUMNS, output)


@app.command()
def get(connection_id: ConnectionArgument, output: OutputOption = Format.TABLE) -> None:
    """Show a connection, without its secrets."""
    with connect() as client:
        show(client.connections.get(connection_id), output)


@app.command()
def create(
    connection_id: ConnectionArgument,
    *,
    type_: TypeOption,
    host: HostOption = None,
    port: PortOption = None,
    schema: SchemaOption = None,
    login: LoginOption = None,
    password_stdin: PasswordOption = False,
    extra: ExtraOption = None,
    description: DescriptionOption = None,
    tenant: TenantOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Create a connection."""
    fields = _select_given(
        host=host,
        port=port,
        schema=schema,
        login=login,
        extra=extra,
        description=description,
        tenant_id=tenant,
        password_stdin=password_stdin,
    )
    with connect() as client:
        show(client.connections.create(connection_id, type_, **fields), output)


@app.command()
def update(
    connection_id: ConnectionArgument,
    *,
    type_: Annotated[str | None, typer.Option("--type", help="New type of the connection.")] = None,
    host: HostOption = None,
    port: PortOption = None,
    schema: SchemaOption = None,
    login: LoginOption = None,
    password_stdin: PasswordOption = False,
    extra: ExtraOption = None,
    description: DescriptionOption = None,
    tenant: TenantOption = None,
    shared: Annotated[bool, typer.Option("--shared", help="Allow all tenants to query it.")] = False,
    remove: Annotated[
        list[Field] | None, typer.Option("--remove", help="Field to empty. Repeatable.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Change a connection. --extra is merged key by key; null removes a key.

    If the connection then leads to another target, give its secrets again, with --password-stdin and --extra.
    """
    changes: dict[str, Any] = {field.value: None for field in remove or []}
    changes |= _select_given(
        host=host,
        port=port,
        schema=schema,
        login=login,
        extra=extra,
        description=description,
        tenant_id=tenant,
        password_stdin=password_stdin,
    )
    if type_:
        changes["connection_type"] = type_
    if shared and tenant:
        raise typer.BadParameter("Give either --tenant or --shared.")
    if shared:
        changes["tenant_id"] = None
    if not changes:
        raise typer.BadParameter("Nothing to change; give at least one option.")
    with connect() as client:
        show(client.connections.update(connection_id, **changes), output)


@app.command()
def delete(
    connection_id: ConnectionArgument,
    *,
    force: Annotated[bool, typer.Option("--force", help="Delete it even if it is in use.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete a connection."""
    with connect() as client:
        client.connections.delete(connection_id, force=force or None)
    show({"connection_id": connection_id, "deleted": True}, output)


@app.command("test")
def run_test(
    connection_id: ConnectionArgument,
    timeout: TimeoutOption = 10.0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Test a connection. The exit status is 1 unless the test succeeds."""
    with connect() as client:
        result: ConnectionTest = client.connections.test(connection_id, timeout_seconds=timeout)
    show(result, output)
    if result.status != "success":
        raise typer.Exit(1)


@app.command()
def usage(connection_id: ConnectionArgument, output: OutputOption = Format.TABLE) -> None:
    """Show the DAGs and deployments that use a connection."""
    with connect() as client:
        show(client.connections.usage(connection_id), output)


def _select_given(*, password_stdin: bool, **fields: Json) -> dict[str, Any]:
    """Return the fields that were given."""
    password = read_secret_from_stdin() if password_stdin else None
    return {name: value for name, value in {**fields, "password": password}.items() if value is not None}


app.command()(export)
app.command("import")(import_)
