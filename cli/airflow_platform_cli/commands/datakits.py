"""The commands ``airflow-cli datakits``."""

from typing import Annotated, Any

import typer
from airflow_platform import PlatformClient
from airflow_platform.models import Deployment, DeploymentStatus

from airflow_platform_cli.arguments import (
    DataKitArgument,
    FileOption,
    parse_identifier,
    parse_json_object,
    read_document,
    split_names,
)
from airflow_platform_cli.errors import CommandError
from airflow_platform_cli.output import Format, OutputOption, print_message, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="DataKits and their deployments.", no_args_is_help=True)

COLUMNS = ("name", "version", "type", "tags", "description")
STATUS_COLUMNS = ("environment", "namespace", "version", "revision", "dag_id", "status", "message")

ReasonOption = Annotated[str | None, typer.Option(help="Reason, stored with the revision.")]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Wait until the deployment is active or has failed.")
]
# Not --timeout: the API's timeout is that of each try.
WaitTimeoutOption = Annotated[float, typer.Option(help="Maximum number of seconds to wait.")]


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option("--type", help="Only kits of this type.")] = None,
    tags: Annotated[str | None, typer.Option(metavar="A,B", help="Only kits with all of these tags.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Only kits with this text in the name or description.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List DataKits."""
    with connect() as client:
        kits = client.datakits.list(type=kind, tags=split_names(tags), search=search)
        show_list(kits, COLUMNS, output)


@app.command()
def register(
    file: FileOption,
    image: Annotated[str | None, typer.Option(help="Image to use in place of the file's.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Register a version of a DataKit from its manifest."""
    manifest = read_document(file, "name", "version", *(() if image else ("image",)))
    if image:
        manifest["image"] = image
    with connect() as client:
        if problems := _find_problems(manifest, client.datakits.schema()):
            raise CommandError(f"{file.name} is not a valid manifest: {'; '.join(problems)}")
        show(client.datakits.register(**manifest), output)


def _find_problems(manifest: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Return why a manifest does not match its JSON Schema, each with a pointer to the place."""
    from jsonschema import Draft202012Validator  # here, so that other commands start faster
    from jsonschema.exceptions import best_match

    problems = []
    for error in Draft202012Validator(schema).iter_errors(manifest):
        inner = best_match([error])
        pointer = "/".join(("", *map(str, inner.absolute_path)))
        # The description of a pattern is easier to read than the pattern.
        description = inner.schema.get("description") if inner.validator == "pattern" else None
        message = f"must be {description}" if description else inner.message
        problems.append(f"{pointer}: {message}".removeprefix(": "))
    return sorted(problems)


@app.command()
def schema(output: OutputOption = Format.JSON) -> None:
    """Print the JSON Schema of a manifest, for editors and other tools."""
    with connect() as client:
        show(client.datakits.schema(), output)


# Arguments of client.datakits.deploy that have a default.
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
    name: Annotated[
        str,
        typer.Argument(
            metavar="DATAKIT", parser=parse_identifier, help="Name or NAME@VERSION of the DataKit."
        ),
    ],
    *,
    environment: Annotated[str, typer.Option(help="Environment, such as production.")],
    schedule: Annotated[
        str | None,
        typer.Option(help="Cron expression, or @inputs to run when all inputs have been written."),
    ] = None,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the tenant.")] = None,
    config: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=parse_json_object, metavar="JSON", help="Values of the kit's options."),
    ] = None,
    reset: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Field to set to its default, such as schedule. Repeatable."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Reset every field that you do not give, instead of keeping it."),
    ] = False,
    reason: ReasonOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the differences only.")] = False,
    wait: WaitOption = False,
    wait_timeout: WaitTimeoutOption = 120.0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Deploy a DataKit: run it as a DAG in an environment.

    In an existing deployment, everything that you do not give keeps its value, including secrets, connections
    and notifications.
    """
    given = {"configuration": config, "schedule": schedule}
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    resets: dict[str, Any] = dict.fromkeys(reset or [])
    if unknown := [name for name in resets if name not in RESETTABLE]:
        raise typer.BadParameter(f"Cannot reset {', '.join(unknown)}; choose from {', '.join(RESETTABLE)}.")
    if both := [name for name in resets if name in fields]:
        raise typer.BadParameter(f"{', '.join(both)}: give a value or reset it, not both.")
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
        for warning in deployment.warnings:
            print_message(warning)
        if wait and not dry_run:
            client.datakits.wait_for_deployment(
                deployment.id, timeout=wait_timeout, on_progress=_print_status
            )
        show(deployment, output)


def _print_status(state: DeploymentStatus) -> None:
    print_message(f"{state.status}: {state.message}" if state.message else state.status)


@app.command()
def status(
    name: DataKitArgument,
    environment: Annotated[str | None, typer.Option(help="Only deployments in this environment.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show where a DataKit is deployed, and the status of each deployment."""
    with connect() as client:
        rows = []
        for deployment in client.datakits.deployments(datakit=name, environment=environment):
            state = client.datakits.get_deployment_status(deployment.id)
            rows.append(
                deployment.model_dump(mode="json") | {"status": state.status, "message": state.message}
            )
        if not rows:
            client.datakits.get(name)  # an error if the kit is unknown; a kit without deployments is fine
        show_list(rows, STATUS_COLUMNS, output)


@app.command()
def rollback(
    name: DataKitArgument,
    *,
    version: Annotated[str | None, typer.Option(help="Version to go back to.")] = None,
    revision: Annotated[int | None, typer.Option(help="Number of the revision to go back to.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="Environment, if the kit is deployed in several.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Namespace, if the kit is deployed in several.")
    ] = None,
    reason: ReasonOption = None,
    wait: WaitOption = False,
    wait_timeout: Annotated[
        # --timeout is the former name; it has no second meaning here, as it would for deploy.
        float, typer.Option("--wait-timeout", "--timeout", help="Maximum number of seconds to wait.")
    ] = 120.0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Roll a deployment back to an earlier version or revision, by default to the previous one."""
    with connect() as client:
        deployment_id = _find_deployment(client, name, environment, namespace).id
        deployment = client.datakits.rollback(
            deployment_id, version=version, revision=revision, reason=reason
        )
        if wait:
            client.datakits.wait_for_deployment(
                deployment.id, timeout=wait_timeout, on_progress=_print_status
            )
        show(deployment, output)


def _find_deployment(
    client: PlatformClient, name: str, environment: str | None, namespace: str | None
) -> Deployment:
    """Return the only deployment of a kit that matches."""
    found = list(client.datakits.deployments(datakit=name, environment=environment, namespace=namespace))
    if not found:
        raise CommandError(
            f"{name} has no such deployment; airflow-cli datakits status {name} lists those that exist."
        )
    if len(found) > 1:
        places = ", ".join(f"{one.environment} in {one.namespace}" for one in found)
        raise CommandError(f"{name} is deployed to {places}; choose with --environment and --namespace.")
    return found[0]
