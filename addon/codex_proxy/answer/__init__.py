"""The backend's event stream: split into frames, decoded, repaired."""
