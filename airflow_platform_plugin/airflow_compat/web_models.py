"""Airflow's mapped classes that only the webserver needs, under their names.

A module of its own: task processes load ``models``, and these classes import the serialization of DAGs.
"""

from airflow.models.errors import ParseImportError
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.trigger import Trigger

__all__ = ["ParseImportError", "Pool", "SerializedDagModel", "Trigger"]
