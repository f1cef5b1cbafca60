"""Ways to run a DataKit, one module each. All of them keep the contract of ``contract.py``.

This module itself is light: a kit's own process loads it too.
"""

# Installed kits announce themselves under this group of entry points.
GROUP = "airflow_platform.datakits"
