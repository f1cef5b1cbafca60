"""``airflow-cli oauth-clients``."""

from typing import Annotated

import typer
from airflow_platform import UNSET

from airflow_platform_cli.arguments import ScopesOption, identifier, names
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="OAuth clients: programs that ask for access tokens.", no_args_is_help=True)

COLUMNS = ("client_id", "name", "grant_types", "scopes", "public", "acting_user")

ClientArgument = Annotated[str, typer.Argument(metavar="CLIENT_ID", parser=identifier)]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="What users see when they are asked to let it in.")],
    redirect_uris: Annotated[
        str | None, typer.Option(metavar="A,B", help="Where the browser may be sent back to.")
    ] = None,
    scopes: ScopesOption = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="For everything.")] = False,
    grant_types: Annotated[
        str | None, typer.Option(metavar="A,B", help="Such as authorization_code or client_credentials.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="It cannot keep a secret, and has none.")] = False,
    acting_user: Annotated[
        str | None, typer.Option(help="As whom it acts where no user takes part (client_credentials).")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Register a client; its secret is shown this once."""
    if all_scopes == bool(scopes):
        raise typer.BadParameter("Say either --scopes or --all-scopes.")
    with connect() as client:
        registered = client.oauth_clients.create(
            name,
            scopes=names(scopes),
            redirect_uris=names(redirect_uris) or [],
            grant_types=names(grant_types) or UNSET,
            public=public,
            acting_user=acting_user,
        )
        show(registered, output)


@app.command("list")
def list_(output: OutputOption = Format.TABLE) -> None:
    """List clients."""
    with connect() as client:
        clients = client.oauth_clients.list()
        show_list(clients, COLUMNS, output)


@app.command()
def get(client_id: ClientArgument, output: OutputOption = Format.TABLE) -> None:
    """Show a client, without its secret."""
    with connect() as client:
        show(client.oauth_clients.get(client_id), output)


@app.command()
def delete(client_id: ClientArgument, output: OutputOption = Format.TABLE) -> None:
    """Delete a client, and with it every token that it was given."""
    with connect() as client:
        client.oauth_clients.delete(client_id)
    show({"client_id": client_id, "deleted": True}, output)
