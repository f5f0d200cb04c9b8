"""What the backend wants and says: headers, cookies, refusals, requests of our own."""
