"""Bytes to a handler's own types and back."""
