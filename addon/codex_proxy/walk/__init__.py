"""The life of one request: what is known of it, what is saved with its flow, and the order of the steps."""
