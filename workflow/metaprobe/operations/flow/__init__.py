"""A run as the rules, the questions and the handlers see it."""
