"""Airflow's mapped classes, and the classes from which DAGs are built, under their names."""

from airflow import DAG
from airflow.datasets import Dataset
from airflow.jobs.job import Job
from airflow.models.baseoperator import BaseOperator
from airflow.models.connection import Connection
from airflow.models.dag import DagModel, DagTag
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagcode import DagCode
from airflow.models.dagrun import DagRun
from airflow.models.dataset import (
    DagScheduleDatasetReference,
    DatasetEvent,
    DatasetModel,
    TaskOutletDatasetReference,
)
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.dag_parsing_context import get_parsing_context

__all__ = [
    "DAG",
    "BaseOperator",
    "Connection",
    "DagCode",
    "DagModel",
    "DagPriorityParsingRequest",
    "DagRun",
    "DagScheduleDatasetReference",
    "DagTag",
    "Dataset",
    "DatasetEvent",
    "DatasetModel",
    "Job",
    "Log",
    "TaskInstance",
    "TaskOutletDatasetReference",
    "get_parsing_context",
]
