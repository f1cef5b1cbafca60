"""The commands ``airflow-cli tenants members``."""

from enum import Enum
from typing import Annotated

import typer

from airflow_platform_cli.arguments import parse_identifier
from airflow_platform_cli.output import Format, OutputOption, print_message, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Members of a tenant.", no_args_is_help=True)


class Role(str, Enum):
    """What a user is in a tenant."""

    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"

    def __str__(self) -> str:
        return self.value


TenantArgument = Annotated[
    str, typer.Argument(metavar="TENANT", parser=parse_identifier, help="Id of the tenant.")
]
UserArgument = Annotated[
    str, typer.Argument(metavar="USER", parser=parse_identifier, help="Name of the Airflow user.")
]

COLUMNS = ("username", "role", "source", "editable")


@app.command("list")
def list_(
    tenant_id: TenantArgument,
    role: Annotated[Role | None, typer.Option(help="Only members with this role.")] = None,
    search: Annotated[str | None, typer.Option(help="Only members with this text in the user name.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List the members of a tenant. Groups that give roles at each login are named on standard error."""
    with connect() as client:
        page = client.tenants.members(tenant_id, role=None if role is None else role.value, search=search)
        show_list(page, COLUMNS, output)
    for each in page.groups:
        print_message(f"Users of the group {each.group!r} are {each.role}s at each login.")


@app.command("set")
def set_(
    tenant_id: TenantArgument,
    username: UserArgument,
    role: Annotated[Role, typer.Option(help="Role in the tenant, in place of any other role there.")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Give a user a role in a tenant."""
    with connect() as client:
        show(client.tenants.set_member(tenant_id, username, role.value), output)


@app.command()
def remove(tenant_id: TenantArgument, username: UserArgument, output: OutputOption = Format.TABLE) -> None:
    """Remove a user from a tenant."""
    with connect() as client:
        client.tenants.remove_member(tenant_id, username)
    show({"tenant_id": tenant_id, "username": username, "removed": True}, output)
