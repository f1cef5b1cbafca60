"""``airflow-cli datakits``."""

from typing import Annotated, Any

import typer

from airflow_platform_cli.arguments import (
    DataKitArgument,
    FileOption,
    TagsOption,
    document,
    json_object,
    names,
)
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="DataKits and their deployments.", no_args_is_help=True)

COLUMNS = ("name", "version", "type", "tags", "description")
STATUS_COLUMNS = ("environment", "namespace", "version", "revision", "dag_id", "status", "message")


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option("--type", help="Only kits of this type.")] = None,
    tags: TagsOption = None,
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
    """Register a version of a DataKit."""
    manifest = document(file, "name", "version", *(() if image else ("image",)))
    if image:
        manifest["image"] = image
    with connect() as client:
        show(client.datakits.register(**manifest), output)


@app.command()
def deploy(
    name: DataKitArgument,
    *,
    environment: Annotated[str, typer.Option(help="Such as production.")],
    schedule: Annotated[str | None, typer.Option(help="A cron expression.")] = None,
    namespace: Annotated[str | None, typer.Option(help="The tenant's namespace.")] = None,
    config: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=json_object, metavar="JSON", help="Values for the kit's configuration."),
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Run a DataKit (its newest version, or NAME@VERSION) in an environment."""
    with connect() as client:
        deployment = client.datakits.deploy(
            name, environment, namespace=namespace, configuration=config, schedule=schedule
        )
        show(deployment, output)


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
