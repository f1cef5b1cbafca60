"""``airflow-cli webhooks``."""

from typing import Annotated

import typer
from airflow_platform.types import WebhookFilters

from airflow_platform_cli.arguments import identifier, names
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="Webhooks: addresses that hear of events.", no_args_is_help=True)

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
    name: Annotated[str, typer.Option(help="What to call it.")],
    url: Annotated[str, typer.Option(help="Where events are sent.")],
    events: Annotated[str, typer.Option(metavar="A,B", help="Such as dag.success,dag.failure.")],
    dags: Annotated[str | None, typer.Option(metavar="A,B", help="Only events of these DAGs.")] = None,
    tags: Annotated[str | None, typer.Option(metavar="A,B", help="Only DAGs with any of these tags.")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Have an address hear of events; the secret that signs them is shown this once."""
    filters = WebhookFilters()
    if dag_ids := names(dags):
        filters["dag_ids"] = dag_ids
    if tag_names := names(tags):
        filters["tags"] = tag_names
    with connect() as client:
        show(client.webhooks.create(name, url, names(events) or [], filters=filters or None), output)


@app.command()
def delete(
    webhook_id: Annotated[str, typer.Argument(metavar="WEBHOOK", parser=identifier)],
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete a webhook."""
    with connect() as client:
        client.webhooks.delete(webhook_id)
    show({"webhook_id": webhook_id, "deleted": True}, output)
