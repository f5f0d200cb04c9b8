"""Encrypted reasoning: created here, bound to an account and an item, and recognized later (docs/backend.md, 4).

It has the outer form of the real thing (a version byte, a time, a signature) and does not reveal whose it is.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import time

from ..wire.replies import Refused, api_error

UNREADABLE = "Encrypted content could not be decrypted or parsed."
OTHER_ACCOUNT = "Encrypted content organization_id did not match the target organization."
OTHER_ITEM = "Encrypted content item_id did not match the target item id."
USUAL_SIZE = 600


class Vault:
    def __init__(self, key: bytes, trusted: tuple[str, ...] = ()) -> None:
        self.key = key
        self.trusted = trusted

    def seal(self, account: str, item_id: str, size: int = USUAL_SIZE) -> str:
        """Content of about `size` characters for one item of one account."""
        padding = os.urandom(max(0, size * 3 // 8 - 96)).hex()
        inner = json.dumps({"account": _digest(account), "item": item_id, "padding": padding}).encode()
        head = b"\x80" + int(time.time()).to_bytes(8) + inner
        return base64.urlsafe_b64encode(head + self._sign(head)).decode()

    def check(self, content: str, account: str, item_id: str | None, param: str) -> None:
        """Refused with `invalid_encrypted_content` if it is not what this server made for them."""
        if any(content.startswith(prefix) for prefix in self.trusted):
            return
        inner = self._open(content)
        if inner is None:
            raise _invalid(item_id, UNREADABLE, param)
        if inner["account"] != _digest(account):
            raise _invalid(item_id, OTHER_ACCOUNT, param)
        if item_id is not None and inner["item"] != item_id:
            raise _invalid(item_id, OTHER_ITEM, param)

    def _open(self, content: str) -> dict[str, str] | None:
        try:
            raw = base64.b64decode(content, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        head, signature = raw[:-32], raw[-32:]
        if not hmac.compare_digest(signature, self._sign(head)):
            return None
        inner: dict[str, str] = json.loads(head[9:])
        return inner

    def _sign(self, data: bytes) -> bytes:
        return hmac.digest(self.key, data, hashlib.sha256)


def _digest(account: str) -> str:
    return hashlib.sha256(account.encode()).hexdigest()[:32]


def _invalid(item_id: str | None, reason: str, param: str) -> Refused:
    text = f"The encrypted content for item {item_id or param} could not be verified. Reason: {reason}"
    return api_error(text, code="invalid_encrypted_content")
