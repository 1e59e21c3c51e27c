"""A development server with TF Serving's APIs."""
