"""The demo's data: messages of a shop's customers, made by a grammar, and the sentences it answers at the end."""
