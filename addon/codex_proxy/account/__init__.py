"""The login: where it is kept, how it is got, renewed and ended, and how much of the subscription is used."""
