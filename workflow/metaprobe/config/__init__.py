"""What a run is told: settings, data sets, configurations, grids, and where its files lie."""
