"""All experiments in tables, and the checks of them."""
