"""Questions about a run, and what watches over it."""
