"""The commands ``airflow-cli dags``."""

from typing import Annotated, Any

import typer

from airflow_platform_cli.arguments import DagArgument, TagsOption, parse_json_object, split_names
from airflow_platform_cli.commands.backfills import backfill
from airflow_platform_cli.output import Format, OutputOption, show, show_list
from airflow_platform_cli.settings import connect

app = typer.Typer(help="DAGs and their runs.", no_args_is_help=True)

COLUMNS = ("dag_id", "schedule_interval", "is_paused", "next_dagrun", "tags", "description")


@app.command("list")
def list_(tags: TagsOption = None, output: OutputOption = Format.TABLE) -> None:
    """List DAGs."""
    with connect() as client:
        dags = client.dags.list(tags=split_names(tags))
        show_list(dags, COLUMNS, output)


@app.command()
def get(dag_id: DagArgument, output: OutputOption = Format.TABLE) -> None:
    """Show a DAG."""
    with connect() as client:
        show(client.dags.get(dag_id), output)


@app.command()
def trigger(
    dag_id: DagArgument,
    conf: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=parse_json_object, metavar="JSON", help="Configuration of the run."),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option(help="Id of the run; by default Airflow generates one.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Trigger a run of a DAG."""
    with connect() as client:
        show(client.dags.trigger(dag_id, conf=conf, run_id=run_id), output)


@app.command()
def pause(dag_id: DagArgument, output: OutputOption = Format.TABLE) -> None:
    """Pause a DAG: Airflow schedules no further runs."""
    with connect() as client:
        show(client.dags.pause(dag_id), output)


@app.command()
def unpause(dag_id: DagArgument, output: OutputOption = Format.TABLE) -> None:
    """Unpause a DAG: Airflow schedules runs again."""
    with connect() as client:
        show(client.dags.unpause(dag_id), output)


app.command()(backfill)
