"""``airflow-cli datakits``."""

from typing import Annotated, Any

import typer
from airflow_platform.models import DeploymentStatus

from airflow_platform_cli.arguments import (
    DataKitArgument,
    FileOption,
    document,
    json_object,
    names,
)
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, note, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="DataKits and their deployments.", no_args_is_help=True)

COLUMNS = ("name", "version", "type", "tags", "description")
STATUS_COLUMNS = ("environment", "namespace", "version", "revision", "dag_id", "status", "message")


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option("--type", help="Only kits of this type.")] = None,
    tags: Annotated[str | None, typer.Option(metavar="A,B", help="Only kits with all of these tags.")] = None,
    search: Annotated[str | None, typer.Option(help="Only kits whose name or description has this.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List DataKits."""
    with connect() as client:
        kits = client.datakits.list(type=kind, tags=names(tags), search=search)
        show_list(kits, COLUMNS, output)


@app.command()
def register(
    file: FileOption,
    image: Annotated[str | None, typer.Option(help="Instead of the file's image.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Register a version of a DataKit, whose manifest fits the platform's JSON Schema."""
    manifest = document(file, "name", "version", *(() if image else ("image",)))
    if image:
        manifest["image"] = image
    with connect() as client:
        if complaints := _complaints(manifest, client.datakits.schema()):
            raise CommandError(f"{file.name} is no manifest: {'; '.join(complaints)}")
        show(client.datakits.register(**manifest), output)


def _complaints(manifest: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Where a manifest does not fit its schema, and why."""
    from jsonschema import Draft202012Validator  # here, since other commands need not wait for it
    from jsonschema.exceptions import best_match

    complaints = []
    for error in Draft202012Validator(schema).iter_errors(manifest):
        inner = best_match([error])
        where = "/".join(("", *map(str, inner.absolute_path)))
        # A pattern says less than what it is described as.
        said = inner.schema.get("description") if inner.validator == "pattern" else None
        complaints.append(f"{where}: {f'must be {said}' if said else inner.message}".removeprefix(": "))
    return sorted(complaints)


@app.command()
def schema(output: OutputOption = Format.JSON) -> None:
    """Print the JSON Schema of a manifest, for editors and other checks."""
    with connect() as client:
        show(client.datakits.schema(), output)


# What a deployment has a default for; the SDK calls the API's timeout of a try try_timeout.
RESETTABLE = (
    "configuration",
    "schedule",
    "notifications",
    "connections",
    "retries",
    "retry_delay",
    "try_timeout",
    "catchup",
    "start_date",
    "max_active_runs",
    "auto_rollback",
)


@app.command()
def deploy(
    name: DataKitArgument,
    *,
    environment: Annotated[str, typer.Option(help="Such as production.")],
    schedule: Annotated[
        str | None, typer.Option(help="A cron expression, or @inputs: whenever its inputs are written.")
    ] = None,
    namespace: Annotated[str | None, typer.Option(help="The tenant's namespace.")] = None,
    config: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=json_object, metavar="JSON", help="Values for the kit's configuration."),
    ] = None,
    reset: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Set a field back to its default, such as schedule. Repeatable."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Reset every field that is not given. By default it keeps its value."),
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Reason, stored with the revision.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only, and show the difference.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the deployment is active or has failed.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait, at the most.")] = 120.0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run a DataKit (its newest version, or NAME@VERSION) in an environment.

    On an existing deployment, what you do not give keeps its value: secrets, connections, mails too.
    """
    given = {"configuration": config, "schedule": schedule}
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    resets: dict[str, Any] = dict.fromkeys(reset or [])
    if unknown := [name for name in resets if name not in RESETTABLE]:
        raise typer.BadParameter(f"--reset takes {', '.join(RESETTABLE)}; not {', '.join(unknown)}.")
    if both := [name for name in resets if name in fields]:
        raise typer.BadParameter(f"{', '.join(both)} is given and reset at once.")
    with connect() as client:
        deployment = client.datakits.deploy(
            name,
            environment,
            namespace=namespace,
            dry_run=dry_run,
            reason=reason,
            replace=replace,
            **fields,
            **resets,
        )
        for sentence in deployment.warnings:
            note(sentence)
        if wait and not dry_run:
            client.datakits.wait_for_deployment(deployment.id, timeout=timeout, on_progress=_tell)
        show(deployment, output)


def _tell(state: DeploymentStatus) -> None:
    note(f"{state.status}: {state.message}" if state.message else state.status)


@app.command()
def status(
    name: DataKitArgument,
    environment: Annotated[str | None, typer.Option(help="Only this environment.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show where a DataKit is deployed and what Airflow makes of it."""
    with connect() as client:
        rows = []
        for deployment in client.datakits.deployments(datakit=name, environment=environment):
            state = client.datakits.get_deployment_status(deployment.id)
            rows.append(
                deployment.model_dump(mode="json") | {"status": state.status, "message": state.message}
            )
        if not rows:
            client.datakits.get(name)  # an unknown kit is an error, one without deployments is not
        show_list(rows, STATUS_COLUMNS, output)


@app.command()
def rollback(
    name: DataKitArgument,
    *,
    version: Annotated[str | None, typer.Option(help="The version to go back to.")] = None,
    revision: Annotated[int | None, typer.Option(help="The revision to go back to.")] = None,
    environment: Annotated[str | None, typer.Option(help="Where, if it is deployed in several.")] = None,
    namespace: Annotated[str | None, typer.Option(help="Where, if it is deployed in several.")] = None,
    reason: Annotated[str | None, typer.Option(help="What for.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until Airflow runs it, or cannot.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at the most.")] = 120.0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Go back to an earlier version or revision of a deployment, or to the one before."""
    with connect() as client:
        found = list(client.datakits.deployments(datakit=name, environment=environment, namespace=namespace))
        if len(found) != 1:
            places = ", ".join(f"{one.environment} in {one.namespace}" for one in found) or "nowhere"
            raise CommandError(f"{name} is deployed {places}; say --environment and --namespace.")
        deployment = client.datakits.rollback(found[0].id, version=version, revision=revision, reason=reason)
        if wait:
            client.datakits.wait_for_deployment(deployment.id, timeout=timeout, on_progress=_tell)
        show(deployment, output)
