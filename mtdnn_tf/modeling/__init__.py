"""The shared backbone, the heads, and the functional model that joins them."""
