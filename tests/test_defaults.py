import inspect

from codex_proxy import defaults, settings, where


def test_the_proxy_and_the_scripts_go_to_the_same_places() -> None:
    assert (defaults.UPSTREAM, defaults.ISSUER) == (settings.UPSTREAM, settings.ISSUER)
    assert defaults.CLIENT_VERSION == where.CLIENT_VERSION
    assert f'"codex_originator", str, "{defaults.ORIGINATOR}"' in inspect.getsource(settings)
