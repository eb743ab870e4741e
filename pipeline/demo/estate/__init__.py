"""The simulated estate: what ran, for how long, and what it truly cost."""
