"""What Letta's server does to learn the models of an OpenAI-compatible provider, in its own words: not the program itself."""

import os
import re
from pathlib import Path
from typing import Any

import httpx2
from drive import drive

URL = re.findall(r"OPENAI_BASE_URL=(\S+)", Path(os.environ["CONFIGURATION"]).read_text())[0]


def contexts() -> Any:
    """Name and context window of each model that it takes."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer dummy"}
    told = httpx2.get(f"{URL}/models", headers=headers, trust_env=False).raise_for_status().json()
    models = told.get("data", told) if isinstance(told, dict) else told
    return {model["id"]: int(model["context_length"]) for model in models if model.get("context_length")}


drive(contexts)
