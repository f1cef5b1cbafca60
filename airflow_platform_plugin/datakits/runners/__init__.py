"""Ways to run a DataKit, one module each."""

# Installed kits announce themselves under this group of entry points.
GROUP = "airflow_platform.datakits"
