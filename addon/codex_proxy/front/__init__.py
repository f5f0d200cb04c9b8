"""The side that faces clients: paths, caller ids, web origins, the status page."""
