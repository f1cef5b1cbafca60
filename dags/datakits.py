"""Load the DAGs of deployed DataKits. Copy this file to the DAGs folder of your Airflow."""

from airflow_platform_plugin.deployments.execution.loader import load

globals().update(load(__file__))
