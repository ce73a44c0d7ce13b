"""The local socket of a worker: to look into it and to speak to it, for its owner alone."""
