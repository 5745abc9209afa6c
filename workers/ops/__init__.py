"""What operators see of a worker: endpoints, metrics, lag."""
