"""What signup asks of the outside."""
