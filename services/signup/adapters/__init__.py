"""Signup's side of the database, of the formats of ATS vendors, and of the table of titles."""
