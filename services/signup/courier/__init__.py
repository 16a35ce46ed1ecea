"""The courier: the process of signup that opens an address, and opens it to send."""
