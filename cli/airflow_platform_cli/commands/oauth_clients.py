"""The commands ``airflow-cli oauth-clients``."""

from typing import Annotated

import typer
from airflow_platform import UNSET

from airflow_platform_cli.arguments import ScopesOption, parse_identifier, split_names
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="OAuth clients: programs that get access tokens.", no_args_is_help=True)

COLUMNS = ("client_id", "name", "grant_types", "scopes", "public", "acting_user")

ClientArgument = Annotated[
    str, typer.Argument(metavar="CLIENT_ID", parser=parse_identifier, help="Id of the OAuth client.")
]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Name that users see on the consent page.")],
    redirect_uris: Annotated[
        str | None, typer.Option(metavar="A,B", help="URIs that the browser may return to.")
    ] = None,
    scopes: ScopesOption = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="Allow all scopes.")] = False,
    grant_types: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Grant types, such as authorization_code or client_credentials."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Create a client without a secret, which cannot keep one.")
    ] = False,
    acting_user: Annotated[
        str | None, typer.Option(help="User that the client acts as with client_credentials.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Register an OAuth client. Its secret is shown only now."""
    if all_scopes == bool(scopes):
        raise typer.BadParameter("Give either --scopes or --all-scopes.")
    with connect() as client:
        registered = client.oauth_clients.create(
            name,
            scopes=split_names(scopes),
            redirect_uris=split_names(redirect_uris) or [],
            grant_types=split_names(grant_types) or UNSET,
            public=public,
            acting_user=acting_user,
        )
        show(registered, output)


@app.command("list")
def list_(output: OutputOption = Format.TABLE) -> None:
    """List OAuth clients."""
    with connect() as client:
        clients = client.oauth_clients.list()
        show_list(clients, COLUMNS, output)


@app.command()
def get(client_id: ClientArgument, output: OutputOption = Format.TABLE) -> None:
    """Show an OAuth client, without its secret."""
    with connect() as client:
        show(client.oauth_clients.get(client_id), output)


@app.command()
def delete(client_id: ClientArgument, output: OutputOption = Format.TABLE) -> None:
    """Delete an OAuth client and revoke all its tokens."""
    with connect() as client:
        client.oauth_clients.delete(client_id)
    show({"client_id": client_id, "deleted": True}, output)
