from codex_proxy.account import issuer
from standin import oauth, routes
from standin.world import tokens


def test_the_stand_in_knows_us_by_the_same_names() -> None:
    assert tokens.CLIENT_ID == issuer.CLIENT_ID
    assert oauth.CALLBACK_PORTS == issuer.CALLBACK_PORTS
    assert set(tokens.SCOPE.split()) <= set(issuer.SCOPE.split())


def test_every_place_of_the_issuer_is_one_of_the_stand_ins() -> None:
    places = {value for name, value in vars(issuer).items() if name.endswith("_PATH")}
    # Where a browser or the code exchange comes back to is asked of no server.
    assert places - {issuer.CALLBACK_PATH, issuer.DEVICE_REDIRECT_PATH} <= routes.ROUTES.keys()
