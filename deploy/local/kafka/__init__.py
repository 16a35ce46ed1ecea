"""How each kind of broker is started on this machine."""
