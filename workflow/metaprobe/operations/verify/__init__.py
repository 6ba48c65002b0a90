"""Whether finished results are true: untouched files, the same numbers from the cache and from the images."""
