"""The refusals that a failure can cause (docs/backend.md, 7, 8.4)."""

from dataclasses import dataclass

from ..rules.headers import BLOCKED, challenge, wrong_region
from ..rules.headers import cloudflare as cloudflare_headers
from ..wire.replies import Refused, Reply, api_error, auth_error, detail, html, ok, refusal
from ..world.tokens import EXPIRED
from ..world.usage_windows import exhausted

SERVER_ERROR = "The server had an error processing your request. Sorry about that!"
CAPACITY = "Selected model is at capacity. Please try a different model."
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
REUSED = "Your refresh token has already been used to generate a new access token. Please try signing in again."
REFRESH_EXPIRED = "Your refresh token has expired. Please try signing in again."
REFRESH_INVALIDATED = "Your refresh token has been invalidated. Please try signing in again."
COUNTRY = "Country, region, or territory not supported"


@dataclass
class Situation:
    """What a refusal by failure is made from."""

    argument: str
    plan: str
    now: float


def usage_limit(situation: Situation) -> Refused:
    """The form seen live, with its headers (docs/backend.md, 6)."""
    seconds, _, window = situation.argument.partition(":")
    left = float(seconds)
    error = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": situation.plan,
        "resets_at": int(situation.now + left),
        "eligible_promo": None,
        "resets_in_seconds": int(left),
    }
    headers = exhausted(window or "primary", situation.plan, situation.now, left)
    return refusal(429, {"error": error}, "The usage limit has been reached", headers)


def rate_limit(situation: Situation) -> Refused:
    text = f"Rate limit reached for gpt-6-sol. Please try again in {situation.argument}s."
    return api_error(text, status=429, type="rate_limit_error", code="rate_limit_exceeded")


def usage_not_included(_: Situation) -> Refused:
    text = "To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus."
    return refusal(429, {"error": {"type": "usage_not_included", "message": text}}, text)


def capacity(_: Situation) -> Refused:
    return api_error(CAPACITY, status=429, type="server_error")


def quota_404(situation: Situation) -> Refused:
    error = {
        "type": "usage_limit_reached",
        "code": "usage_limit_reached",
        "message": "The usage limit has been reached",
    }
    return refusal(404, {"error": {**error, "plan_type": situation.plan}}, error["message"])


def deactivated(_: Situation) -> Refused:
    return refusal(402, {"detail": {"code": "deactivated_workspace"}}, "deactivated_workspace")


def cloudflare(_: Situation) -> Refused:
    return challenge(403)


def cloudflare_blocked(_: Situation) -> Refused:
    return html(403, BLOCKED, "Cloudflare block", cloudflare_headers())


def cloudflare_503(_: Situation) -> Refused:
    return challenge(503)


def html_502(_: Situation) -> Refused:
    return html(502, PAGE, "502 Bad Gateway", cloudflare_headers())


def no_compact(_: Situation) -> Refused:
    return detail("Not Found", 404)


def json_500(_: Situation) -> Refused:
    return api_error(SERVER_ERROR, status=500, type="server_error", code="server_error")


def empty_503(_: Situation) -> Refused:
    return Refused(Reply(503, refusal="503 with nothing"))


def overload_503(_: Situation) -> Refused:
    return refusal(503, {"error": {"code": "server_is_overloaded"}}, "server_is_overloaded")


def unauthorized(_: Situation) -> Refused:
    return auth_error(EXPIRED, "token_expired")


def unauthorized_region(_: Situation) -> Refused:
    return wrong_region()


def model_refused(situation: Situation) -> Refused:
    return detail(f"The '{situation.argument}' model is not supported when using Codex with a ChatGPT account.")


def invalid_encrypted(_: Situation) -> Refused:
    text = (
        "The encrypted content for item rs_0 could not be verified. "
        "Reason: Encrypted content organization_id did not match the target organization."
    )
    return api_error(text, code="invalid_encrypted_content")


def context_length(_: Situation) -> Refused:
    text = "Your input exceeds the context window of this model. Please adjust your input and try again."
    return api_error(text, param="input", code="context_length_exceeded")


def cyber_policy(_: Situation) -> Refused:
    text = "This content was flagged for possible cybersecurity risk."
    return api_error(text, type="invalid_request", code="cyber_policy")


def no_websocket(_: Situation) -> Refused:
    return detail("Upgrade Required", 426)


def models_empty(_: Situation) -> Refused:
    reply = ok({"models": []}, [("etag", 'W/"empty"')])
    reply.refusal = "no models"
    return Refused(reply)


def refresh_reused(_: Situation | None = None) -> Refused:
    return api_error(REUSED, status=401, code="refresh_token_reused")


def refresh_expired(_: Situation) -> Refused:
    return api_error(REFRESH_EXPIRED, status=401, code="refresh_token_expired")


def refresh_invalidated(_: Situation | None = None) -> Refused:
    return api_error(REFRESH_INVALIDATED, status=401, code="refresh_token_invalidated")


def invalid_grant(_: Situation | None = None, why: str = "The grant is invalid, expired or revoked") -> Refused:
    return refusal(400, {"error": "invalid_grant", "error_description": why}, f"invalid_grant: {why}")


def refresh_500(_: Situation) -> Refused:
    return refusal(500, {"error": "temporary-failure"}, "temporary-failure")


def refresh_garbage(_: Situation) -> Refused:
    return html(200, "<html><body>Welcome to the hotel's network</body></html>", "200 that is not JSON")


def unsupported_country(_: Situation) -> Refused:
    code = "unsupported_country_region_territory"
    return api_error(COUNTRY, status=403, type="request_forbidden", code=code)
