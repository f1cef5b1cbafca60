"""Connections of Airflow's, of one tenant or of all."""
