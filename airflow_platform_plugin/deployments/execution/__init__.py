"""A deployment at run time: its DAG, its operator and the runners that start the kit."""
