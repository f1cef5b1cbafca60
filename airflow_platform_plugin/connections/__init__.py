"""Airflow's connections, each of one tenant or shared by all."""
