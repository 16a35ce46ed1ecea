"""Which pools a batch of people belongs to: one index in memory, two engines, one answer. Pure: no I/O, the time passed in."""
