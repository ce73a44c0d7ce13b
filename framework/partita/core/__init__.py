"""Decisions without waiting: plain functions and state machines. No await, no clock, no logger."""
