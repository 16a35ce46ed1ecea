"""Frozen values that the decisions read, by subject."""
