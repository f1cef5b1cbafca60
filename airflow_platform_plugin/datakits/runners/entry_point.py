"""``python -m … NAME``: load an installed kit and call it, in the process that the runner started."""

import sys
from importlib.metadata import entry_points

from airflow_platform_plugin.datakits.runners import GROUP

if __name__ == "__main__":
    (kit,) = entry_points(group=GROUP, name=sys.argv[1])
    sys.exit(kit.load()())
