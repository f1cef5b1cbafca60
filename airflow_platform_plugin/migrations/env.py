"""Alembic's environment: always online, on the connection that ``db`` hands over under its lock."""

from alembic import context

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.feature import load_models

load_models()


def only_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave Airflow's tables, in the same database, alone."""
    return kind != "table" or (name or "").startswith("platform_")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=db.metadata,
    version_table=db.VERSION_TABLE,
    include_name=only_ours,
    compare_type=True,
    user_module_prefix="",  # script.py.mako imports the types by name
    # On SQLite the transaction is the caller's (BEGIN IMMEDIATE), so Alembic must not begin another.
    transactional_ddl=False if context.config.attributes["connection"].dialect.name == "sqlite" else None,
)
with context.begin_transaction():
    context.run_migrations()
