"""Dumps of the services' databases, and their way back: `fairpool backup` and `fairpool restore`."""
