"""Many recordings, each into a file: which files to write, the requests, and what became of them."""
