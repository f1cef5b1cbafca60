"""What the platform adds to DAG runs: their state changes as events."""
