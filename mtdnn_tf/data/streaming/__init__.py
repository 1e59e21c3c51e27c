"""Parts of encoding that hold on disk what grows with the rows."""
