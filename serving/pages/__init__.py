"""What the service says of itself: metadata, OpenAPI, metrics."""
