"""Our code for each broker. A backend is imported when a bus with its scheme is opened, not before."""
