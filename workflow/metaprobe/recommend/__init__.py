"""From both tables to a recommendation, and whether it helps."""
