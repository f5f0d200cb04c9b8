"""Signing in and out: the browser's callback, the device code, the keys of one authorization. For the scripts alone."""
