"""The embedded stack: an invented estate with known true costs, and the services that a real one would have."""
