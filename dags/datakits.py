"""The DAGs of deployed DataKits. Copy this file into your Airflow's DAGs folder."""

from airflow_platform_plugin.deployments.execution.loader import load

globals().update(load(__file__))
