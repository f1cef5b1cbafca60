"""A whole platform on one machine, for a first look and for the end-to-end test."""
