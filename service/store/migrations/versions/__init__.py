"""One file for each revision, numbered; a released one is never edited."""
