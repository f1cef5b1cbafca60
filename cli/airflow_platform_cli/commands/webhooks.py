"""The commands ``airflow-cli webhooks``."""

from typing import Annotated

import typer
from airflow_platform.types import WebhookFilters

from airflow_platform_cli.arguments import parse_identifier, split_names
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Webhooks: URLs that receive events.", no_args_is_help=True)

COLUMNS = ("webhook_id", "name", "url", "events")


@app.command("list")
def list_(output: OutputOption = Format.TABLE) -> None:
    """List webhooks."""
    with connect() as client:
        hooks = client.webhooks.list()
        show_list(hooks, COLUMNS, output)


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Name of the webhook.")],
    url: Annotated[str, typer.Option(help="URL that receives the events by POST.")],
    events: Annotated[
        str, typer.Option(metavar="A,B", help="Types of the events, such as dag.success,dag.failure.")
    ],
    dags: Annotated[str | None, typer.Option(metavar="A,B", help="Only events of these DAGs.")] = None,
    tags: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only events of DAGs with at least one of these tags.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Create a webhook. The secret that signs its deliveries is shown only now."""
    filters = WebhookFilters()
    if dag_ids := split_names(dags):
        filters["dag_ids"] = dag_ids
    if tag_names := split_names(tags):
        filters["tags"] = tag_names
    with connect() as client:
        webhook = client.webhooks.create(name, url, split_names(events) or [], filters=filters or None)
        show(webhook, output)


@app.command()
def delete(
    webhook_id: Annotated[
        str, typer.Argument(metavar="WEBHOOK", parser=parse_identifier, help="Id of the webhook.")
    ],
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete a webhook."""
    with connect() as client:
        client.webhooks.delete(webhook_id)
    show({"webhook_id": webhook_id, "deleted": True}, output)
