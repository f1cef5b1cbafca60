"""Run ``airflow-cli`` as ``python -m airflow_platform_cli``."""

from airflow_platform_cli.main import main

main()
