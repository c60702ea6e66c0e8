"""From trained weights to the files that other machines run (extra ``export``)."""
