"""The vault: sealing and opening what says who a person is. Used by signup, which writes it, and by the courier, which reads it."""
