"""The report of a recipe: tables, figures, and one page that needs no network."""
