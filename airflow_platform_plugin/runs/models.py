"""What the sweep stores between two rounds."""

from sqlalchemy import Column, Integer

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.cursors import Cursor

__all__ = ["Cursor", "ObservedRun"]


class ObservedRun(db.Base):
    """A DAG run that was unfinished when last seen. There is no foreign key: Airflow may delete the run."""

    __tablename__ = "platform_observed_run"

    dag_run_id = Column(Integer, primary_key=True, autoincrement=False)
