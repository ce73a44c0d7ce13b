"""What each command of `worker` may be given. Nothing here loads more than the standard library and attrs."""
