"""What the sweep remembers between two rounds."""

from sqlalchemy import BigInteger, Column, Integer, String

from airflow_platform_plugin import db


class ObservedRun(db.Base):
    """A DAG run that was unfinished when last seen. There is no foreign key: Airflow may delete the run."""

    __tablename__ = "platform_observed_run"

    dag_run_id = Column(Integer, primary_key=True, autoincrement=False)


class Cursor(db.Base):
    """How far a step has read a table that only grows."""

    __tablename__ = "platform_cursor"

    name = Column(String(64), primary_key=True)
    position = Column(BigInteger, nullable=False)
