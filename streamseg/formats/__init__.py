"""Writers of results, one file for each format; ``opening.open_writer`` finds them by name."""
