"""The quickstart: Airflow with the platform on one machine, to try it; also the end-to-end test."""
