"""A platform on stock Apache Airflow: keys, tenants, DataKits, SQL and webhooks, as one plugin."""

__version__ = "0.1.0"
