"""``airflow-cli connections``."""

import os
import sys
import tempfile
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from airflow_platform.models import ConnectionTest

from airflow_platform_cli.arguments import identifier, json_object
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, note, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Connections: where Airflow finds databases and services.", no_args_is_help=True)

COLUMNS = ("connection_id", "connection_type", "host", "port", "schema", "tenant_id", "shared")
IMPORTED = ("connection_id", "result", "message", "missing_secrets")
# A file's format by the end of its name.
FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".env": "env"}

ConnectionArgument = Annotated[str, typer.Argument(metavar="CONNECTION", parser=identifier)]
HostOption = Annotated[str | None, typer.Option(help="A host's name or address, or what its type takes.")]
PortOption = Annotated[int | None, typer.Option()]
SchemaOption = Annotated[str | None, typer.Option(help="The database, or what its type takes for it.")]
LoginOption = Annotated[str | None, typer.Option()]
PasswordOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
ExtraOption = Annotated[
    dict[str, Any] | None,
    typer.Option(parser=json_object, metavar="JSON", help='Such as \'{"sslmode": "require"}\'.'),
]
DescriptionOption = Annotated[str | None, typer.Option()]
TenantOption = Annotated[str | None, typer.Option(help="Whose it is.")]
TimeoutOption = Annotated[float, typer.Option(min=0.1, max=60, help="How many seconds it may take.")]
PassphraseOption = Annotated[
    bool, typer.Option("--passphrase-stdin", help="Read the passphrase from standard input, and do not ask.")
]


class Conflict(str, Enum):
    """What becomes of connections that are there already."""

    FAIL = "fail"
    SKIP = "skip"
    OVERWRITE = "overwrite"


class Field(str, Enum):
    """What can be removed from a connection."""

    HOST = "host"
    PORT = "port"
    SCHEMA = "schema"
    LOGIN = "login"
    PASSWORD = "password"  # noqa: S105 - a field's name
    EXTRA = "extra"
    DESCRIPTION = "description"


@app.command("list")
def list_(
    type_: Annotated[str | None, typer.Option("--type", help="Only this type.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    search: Annotated[str | None, typer.Option(help="Part of a name or description.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List connections."""
    with connect() as client:
        found = client.connections.list(connection_type=type_, tenant_id=tenant, search=search)
        show_list(found, COLUMNS, output)


@app.command()
def get(connection_id: ConnectionArgument, output: OutputOption = Format.TABLE) -> None:
    """Show a connection, without its secrets."""
    with connect() as client:
        show(client.connections.get(connection_id), output)


@app.command()
def create(
    connection_id: ConnectionArgument,
    *,
    type_: Annotated[str, typer.Option("--type", help="Such as postgres.")],
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
    """Make a connection."""
    fields = _given(
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
    type_: Annotated[str | None, typer.Option("--type", help="Such as postgres.")] = None,
    host: HostOption = None,
    port: PortOption = None,
    schema: SchemaOption = None,
    login: LoginOption = None,
    password_stdin: PasswordOption = False,
    extra: ExtraOption = None,
    description: DescriptionOption = None,
    tenant: TenantOption = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Share it with all tenants: they may query it.")
    ] = False,
    remove: Annotated[
        list[Field] | None, typer.Option("--remove", help="A field to empty; can be repeated.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Change a connection; extra is merged with what it has, and null removes a key of it.

    Whatever changes where it leads needs its secrets again: --password-stdin, or those of --extra.
    """
    changes: dict[str, Any] = {field.value: None for field in remove or []}
    changes |= _given(
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
        raise typer.BadParameter("--tenant and --shared exclude each other.")
    if shared:
        changes["tenant_id"] = None
    if not changes:
        raise typer.BadParameter("Say what to change.")
    with connect() as client:
        show(client.connections.update(connection_id, **changes), output)


@app.command()
def delete(
    connection_id: ConnectionArgument,
    *,
    force: Annotated[bool, typer.Option("--force", help="Also if something names it.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete a connection."""
    with connect() as client:
        client.connections.delete(connection_id, force=force or None)
    show({"connection_id": connection_id, "deleted": True}, output)


@app.command("test")
def check(
    connection_id: ConnectionArgument,
    timeout: TimeoutOption = 10.0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Test a connection; the status is 1 unless it was successful."""
    with connect() as client:
        outcome: ConnectionTest = client.connections.test(connection_id, timeout_seconds=timeout)
    show(outcome, output)
    if outcome.status != "success":
        raise typer.Exit(1)


@app.command()
def usage(connection_id: ConnectionArgument, output: OutputOption = Format.TABLE) -> None:
    """Show what names a connection."""
    with connect() as client:
        show(client.connections.usage(connection_id), output)


@app.command()
def export(
    *,
    file: Annotated[Path, typer.Option("--output", help="The file to write: .yaml or .json.")],
    encrypted: Annotated[
        bool, typer.Option("--encrypted", help="With the secrets, encrypted with a passphrase.")
    ] = False,
    passphrase_stdin: PassphraseOption = False,
) -> None:
    """Write connections to a file, without their secrets or with them encrypted."""
    form = _form(file, "yaml", "json")
    passphrase = None
    if encrypted or passphrase_stdin:
        passphrase = _passphrase(stdin=passphrase_stdin, confirm=True)
    with connect() as client:
        _write(file, client.connections.export(format=form, passphrase=passphrase))
    note(f"Written to {file}.")


@app.command("import")
def import_(
    *,
    file: Annotated[
        Path, typer.Option("--file", "-f", help="Of an export, or of Airflow's own: .yaml, .json or .env.")
    ],
    on_conflict: Annotated[Conflict, typer.Option(help="If one is there already.")] = Conflict.SKIP,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    tenant: Annotated[str | None, typer.Option(help="Whose those are that name no tenant.")] = None,
    encrypted: Annotated[bool, typer.Option("--encrypted", help="Ask for the export's passphrase.")] = False,
    passphrase_stdin: PassphraseOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Write the connections of a file, all or none; those that are there already are skipped and named."""
    form = _form(file, "yaml", "json", "env")
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"Cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    passphrase = None
    if encrypted or passphrase_stdin:
        passphrase = _passphrase(stdin=passphrase_stdin, confirm=False)
    with connect() as client:
        result = client.connections.import_(
            content,
            format=form,
            on_conflict=on_conflict.value,
            dry_run=dry_run,
            tenant_id=tenant,
            passphrase=passphrase,
        )
    show_list(result.connections, IMPORTED, output)
    if any(row.result == "failed" for row in result.connections):
        raise typer.Exit(1)


def _given(*, password_stdin: bool, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of a connection
    """The fields that were given."""
    password = _line() if password_stdin else None
    return {name: value for name, value in {**fields, "password": password}.items() if value is not None}


def _line() -> str:
    """What standard input holds, without the end of its last line, which editors add."""
    text = sys.stdin.read()
    return text.removesuffix("\n").removesuffix("\r")


def _passphrase(*, stdin: bool, confirm: bool) -> str:
    if stdin:
        return _line()
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


def _form(file: Path, *known: str) -> str:
    form = FORMATS.get(file.suffix.lower()) or FORMATS.get(file.name.lower())
    if form not in known:
        names = ", ".join(suffix for suffix, name in FORMATS.items() if name in known)
        raise typer.BadParameter(f"{file} must end in one of {names}.")
    return form


def _write(file: Path, content: str) -> None:
    """Write the whole file or none of it; its owner alone can read it."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(content)
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandError(f"Cannot write {file}: {error.strerror}") from error
