"""The HTTP endpoint of a worker: its health and its figures, to be read and nothing else."""
