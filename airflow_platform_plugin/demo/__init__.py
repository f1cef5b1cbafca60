"""The demo kit and its warehouse, as the quickstart shows them."""
