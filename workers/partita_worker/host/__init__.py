"""Several worker processes as one: a host starts them, restarts them, and stops them together."""
