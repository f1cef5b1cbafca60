"""Airflow's database."""


def dialect() -> str:
    """The kind of Airflow's database: ``postgresql``, ``mysql`` or ``sqlite``."""
    from airflow import settings

    return str(settings.engine.dialect.name)
