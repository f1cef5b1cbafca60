"""Runners of DataKits, one module each. All follow the contract of ``contract.py``.

This module is light, because the process of a kit loads it, too.
"""

# The group of entry points under which installed kits are registered.
GROUP = "airflow_platform.datakits"
