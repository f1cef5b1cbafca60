"""The demo kits and the warehouse of the quickstart."""
