"""One module per command of `worker`, loaded when it is asked for."""
