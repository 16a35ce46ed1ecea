"""One whole stack for the session; each test brings people and employers of its own."""
