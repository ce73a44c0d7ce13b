"""What lives: one file per kind of actor. Thin shells that do what the state machines of `core` say."""
