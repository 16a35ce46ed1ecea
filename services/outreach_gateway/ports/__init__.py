"""What the gateway asks of the outside."""
