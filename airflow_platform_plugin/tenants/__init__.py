"""Tenants: teams that share one Airflow."""
