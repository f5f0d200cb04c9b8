"""Where what is tested stands, and what real clients were seen to send."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ADDON = ROOT / "addon"
CAPTURES = ROOT / "tests" / "captures"
NANOBOT: dict[str, Any] = json.loads((CAPTURES / "nanobot-63c9c55.json").read_text())["requests"]
SKILLS: dict[str, Any] = json.loads((CAPTURES / "nanobot-63c9c55-skills.json").read_text())
