"""The version of the distribution airflow-platform-sdk."""

__version__ = "0.1.0"
