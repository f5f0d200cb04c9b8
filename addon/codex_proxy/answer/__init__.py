"""The backend's stream of events: cut into frames, repaired, and one made up for a dry run."""
