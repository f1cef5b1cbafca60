"""The commands ``airflow-cli connections export`` and ``airflow-cli connections import``."""

import os
import tempfile
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from airflow_platform_cli.arguments import read_secret_from_stdin
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, print_message, show_list
from airflow_platform_cli.settings import connect

IMPORT_COLUMNS = ("connection_id", "result", "message", "missing_secrets")
# Formats by file name extension.
FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".env": "env"}

PassphraseOption = Annotated[
    bool, typer.Option("--passphrase-stdin", help="Read the passphrase from standard input; do not ask.")
]


class Conflict(str, Enum):
    """What an import does with connections that exist already."""

    FAIL = "fail"
    SKIP = "skip"
    OVERWRITE = "overwrite"


def export(
    *,
    file: Annotated[Path, typer.Option("--output", help="File to write: .yaml or .json.")],
    encrypted: Annotated[
        bool, typer.Option("--encrypted", help="Include the secrets, encrypted with a passphrase.")
    ] = False,
    passphrase_stdin: PassphraseOption = False,
) -> None:
    """Export connections to a file, without their secrets or with them encrypted."""
    format_ = _detect_format(file, "yaml", "json")
    passphrase = None
    if encrypted or passphrase_stdin:
        passphrase = _ask_passphrase(stdin=passphrase_stdin, confirm=True)
    with connect() as client:
        _write(file, client.connections.export(format=format_, passphrase=passphrase))
    print_message(f"Written to {file}.")


def import_(
    *,
    file: Annotated[
        Path,
        typer.Option("--file", "-f", help="Export of the platform or of Airflow: .yaml, .json or .env."),
    ],
    on_conflict: Annotated[Conflict, typer.Option(help="What to do if a connection exists.")] = Conflict.SKIP,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the result and change nothing.")] = False,
    tenant: Annotated[
        str | None, typer.Option(help="Owning tenant of connections that name no tenant.")
    ] = None,
    encrypted: Annotated[
        bool, typer.Option("--encrypted", help="Ask for the passphrase of the export.")
    ] = False,
    passphrase_stdin: PassphraseOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Import all connections of a file, or none. By default those that exist are skipped."""
    format_ = _detect_format(file, "yaml", "json", "env")
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"Cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    passphrase = None
    if encrypted or passphrase_stdin:
        passphrase = _ask_passphrase(stdin=passphrase_stdin, confirm=False)
    with connect() as client:
        result = client.connections.import_(
            content,
            format=format_,
            on_conflict=on_conflict.value,
            dry_run=dry_run,
            tenant_id=tenant,
            passphrase=passphrase,
        )
    show_list(result.connections, IMPORT_COLUMNS, output)
    if any(row.result == "failed" for row in result.connections):
        raise typer.Exit(1)


def _ask_passphrase(*, stdin: bool, confirm: bool) -> str:
    if stdin:
        return read_secret_from_stdin()
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


def _detect_format(file: Path, *allowed: str) -> str:
    """Return the format that a file's name stands for."""
    format_ = FORMATS.get(file.suffix.lower()) or FORMATS.get(file.name.lower())
    if format_ not in allowed:
        suffixes = ", ".join(suffix for suffix, name in FORMATS.items() if name in allowed)
        raise typer.BadParameter(f"The name of {file} must end in one of {suffixes}.")
    return format_


def _write(file: Path, content: str) -> None:
    """Write the whole file or nothing. Only its owner can read it."""
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
