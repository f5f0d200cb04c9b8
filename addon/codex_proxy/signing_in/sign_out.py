"""Revoke a login and remove it from its file; other content of the file stays (docs/backend.md, 8.5, 9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..account import credentials, forms, identity, login_source, oauth, provenance
from ..account.draft import Draft
from ..account.identity import Identity
from ..account.login_file import LoginFile
from ..account.writable import NotWritable
from ..errors import IssuerError, LoginError
from ..net import upstream

# What belongs to the login: the CLI's own form, and the flat ones of other tools.
OF_THE_LOGIN = frozenset(
    "tokens last_refresh access_token refresh_token id_token account_id expires_at expires_in expires expired token_type type scope"
    " email".split()
) | {*provenance.OF_ONE_LOGIN}

# Modes that mean tokens: without them the CLI would look for what is not there.
MODES = ("chatgpt", "chatgptAuthTokens")

Done = Literal["removed", "emptied", "kept others", "nothing there"]


def without_tokens(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The rest of a file whose login is removed; None if nothing is left."""
    if (form := forms.of(document)) and form.program:
        return {name: value for name, value in document.items() if name != form.key} or None
    kept = {name: value for name, value in document.items() if name not in OF_THE_LOGIN}
    if kept.get("auth_mode") in MODES:
        del kept["auth_mode"]
    # An API key as null is how the CLI writes that there is none.
    said = [value for name, value in kept.items() if name != "auth_mode" and value not in (None, "", [], {})]
    return kept if said else None


def token_of(document: Mapping[str, Any]) -> tuple[str, str] | None:
    """The token to revoke, and its hint: revoking a refresh token also revokes what was made from it."""
    # The login that is used, else what is left of one.
    places = (credentials.tokens(document), document.get("tokens"), document)
    for held in (place for place in places if isinstance(place, Mapping)):
        for name in ("refresh_token", "access_token"):
            if token := forms.text(held.get(name)):
                return token, name
    return None


async def revoke(issuer: str, document: Mapping[str, Any], found: tuple[str, str], originator: str) -> None:
    """Revoke what `token_of` found, at its issuer. Raises IssuerError, also if that is another issuer."""
    made = provenance.of(document)
    if other := provenance.trouble(made, issuer):
        raise IssuerError("login_other_issuer", f"The login can't be ended at the server. {other.message}")
    token, hint = found
    await oauth.revoke(
        issuer,
        token,
        originator=originator,
        user_agent=upstream.user_agent(originator),
        hint=hint,
        client_id=made.client_id,
    )


class NotRemoved(LoginError):
    """The login is still in its file."""

    def __init__(self, message: str) -> None:
        super().__init__("logout_unfinished", message)


@dataclass
class SignOut:
    """Ends one login. `agreed` is the identity that the user confirmed."""

    file: LoginFile
    issuer: str
    originator: str
    agreed: Identity

    async def finish(self, *, revoke: bool = True) -> Done:
        """Revoke the login at the server, then remove it from the file.

        Raises IssuerError if the server did not end it, LoginError if the file can't be changed; then nothing is removed.
        """
        try:
            async with self.file.locked():
                return await self._finish_locked(revoke)
        except NotWritable as e:
            raise NotRemoved(f"{e.why}, so the login could not be removed. Nothing has been changed.") from e

    async def _finish_locked(self, revoke: bool) -> Done:
        document = self._document()
        # A killed program may have left the next token in a draft, which is then the one to revoke.
        if (found := token_of(document)) and self.file.recover(found[0]):
            document = self._document()
        # Check that it can be removed: a revoked token must not stay in the file.
        draft = self.file.draft()
        try:
            if revoke:
                await self._end(document)
            # From here on nothing is awaited: Ctrl-C comes before this or after it.
            return self._remove(document, draft, revoke)
        finally:
            draft.drop()

    def _document(self) -> dict[str, Any]:
        document = self.file.load()
        now = identity.of(document)
        if (now.kind, now.account_id, now.email) != (self.agreed.kind, self.agreed.account_id, self.agreed.email):
            said = f"Meanwhile another program has written another login to {self.file.name}: {now}. It is not touched."
            raise NotRemoved(said)
        return document

    async def _end(self, document: Mapping[str, Any]) -> None:
        found = token_of(document)
        if found is None:
            return
        await revoke(self.issuer, document, found, self.originator)

    def _remove(self, document: Mapping[str, Any], draft: Draft, ended: bool) -> Done:
        kept = without_tokens(document)
        try:
            if self.file.signature() is None:
                return "nothing there"
            if kept is not None and not login_source.is_from_environment(self.file):
                draft.commit(kept)
                return "kept others"
            return "removed" if draft.remove() else "emptied"
        except OSError as e:
            but = "The login was revoked, but it" if ended else "The login"
            said = f"{but} could not be removed from {self.file.name} ({e.strerror}). Remove it yourself."
            raise NotRemoved(said) from e
