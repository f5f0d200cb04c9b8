"""One request on its way: what is known of it, what of that is saved with its flow, and the order of the steps."""
