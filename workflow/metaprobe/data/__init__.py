"""From the places data sets come from to the images that experiments see."""
