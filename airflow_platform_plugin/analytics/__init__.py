"""SQL on named Airflow connections, without handing out credentials."""
