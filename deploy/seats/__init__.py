"""What a new vendor starts from: an employer's seat, read over HTTP and signed."""
