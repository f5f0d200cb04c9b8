"""The models of a dry run, for clients that ask for the list first (docs/backend.md, 10)."""

from ..models.catalogue import Catalogue, Model

NAMES = ("gpt-6.1-sol", "gpt-6-astra", "gpt-6.1-terra", "gpt-6-sol", "gpt-6-luna", "gpt-5.5")

LISTED = Catalogue({name: Model(name) for name in NAMES})
