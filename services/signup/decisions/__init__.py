"""What signup decides: pure functions of values."""
