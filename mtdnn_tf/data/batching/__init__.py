"""Which rows make up each batch, and where they go."""
