"""The version of the distribution airflow-platform-cli."""

__version__ = "0.1.0"
