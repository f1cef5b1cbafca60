"""Airflow's exceptions, under their names.

A task raises them to say how it ended: ``AirflowException`` lets Airflow try the task again,
``AirflowFailException`` fails it at once, ``AirflowSkipException`` skips it.
"""

from airflow.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSkipException",
    "AirflowTaskTimeout",
]
