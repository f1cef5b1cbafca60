"""``python -m airflow_platform_cli`` is ``airflow-cli``."""

from airflow_platform_cli.main import main

main()
