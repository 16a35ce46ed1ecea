"""The statements about what employers could read of people."""

from pathlib import Path

from shared.postgres.queries import load

SQL = load(Path(__file__).with_name("told.sql"))
