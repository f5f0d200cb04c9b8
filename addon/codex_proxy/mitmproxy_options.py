"""For each option of mitmproxy, whether it applies to our connections (those of clients and of replays).

Users of mitmproxy may have options set for other uses, perhaps in `~/.mitmproxy/config.yaml`. None of them may change a request
after our last step, weaken the verification of the backend, or hide a client's request from the addon. An option that is missing
here has mitmproxy's default on our connections, and a test asks for the decision.
"""

from typing import Any, Literal, NamedTuple


class Decision(NamedTuple):
    """`fixed`: always `value`. `ignored`: mitmproxy's default. `followed`: the user's value."""

    how: Literal["fixed", "ignored", "followed"]
    why: str
    value: Any = None
    told: bool = True
    """Is one that is set told of at the start?"""


def _fixed(value: Any, why: str, *, told: bool = True) -> Decision:
    return Decision("fixed", why, value, told)


def _ignored(why: str, *, told: bool = True) -> Decision:
    return Decision("ignored", why, told=told)


def _followed(why: str, *, told: bool = False) -> Decision:
    return Decision("followed", why, told=told)


_OWN_TLS = _ignored("the connection to the backend is made as chatgpt.com wants it")
_TRUST = _ignored("the CA of a company proxy is named in SSL_CERT_FILE, for everything that leaves")
_NOT_SEEN = _ignored("the addon has to see every request")
_UNCHANGED = _ignored("nothing may change a request behind the addon's last step")
_TO_CLIENT = _followed("TLS between client and proxy is the person's")
_OWN_PROCESS = _followed("of the process, not of a connection")
_FILES = _followed("what is saved, replayed or loaded is the person's")
_SHOWN = _followed("how flows are shown and logged is the person's")
_NO_UDP = _followed("our listeners take TCP only")
_REPLAYED = _followed("a recorded answer in place of the backend's: nothing is sent")

DECISIONS: dict[str, Decision] = {
    # As the addon needs them.
    "body_size_limit": _fixed(None, "codex_body_limit bounds a request"),
    "connection_strategy": _fixed("lazy", "a request is looked at before anything is dialled"),
    "http2": _fixed(False, "hidden headers are written on HTTP/1.1 only"),
    "keep_host_header": _fixed(True, "the guard has to see the client's own Host"),
    "mode": _fixed([], "a replay goes the way a client's request goes", told=False),
    "proxy_debug": _fixed(False, "it logs every byte, the token among them"),
    "rawtcp": _fixed(False, "bytes would pass unpatched"),
    "store_streamed_bodies": _fixed(False, "the addon keeps what it streams"),
    "stream_large_bodies": _fixed(None, "it would send request bodies up unpatched"),
    "validate_inbound_headers": _fixed(True, "a malformed head could smuggle a request"),
    "websocket": _fixed(True, "a WebSocket's messages would pass unpatched"),
    # Not between our last step and the backend.
    "allow_hosts": _NOT_SEEN,
    "ignore_hosts": _NOT_SEEN,
    "tcp_hosts": _NOT_SEEN,
    "anticache": _UNCHANGED,
    "anticomp": _UNCHANGED,
    "map_local": _UNCHANGED,
    "map_remote": _UNCHANGED,
    "modify_body": _UNCHANGED,
    "modify_headers": _UNCHANGED,
    "stickyauth": _UNCHANGED,
    "stickycookie": _UNCHANGED,
    "upstream_auth": _ignored("another password would go to the backend in place of the token"),
    "client_certs": _ignored("the backend is shown no certificate of yours"),
    "ssl_insecure": _ignored("the backend's certificate is always verified"),
    "ssl_verify_upstream_trusted_ca": _TRUST,
    "ssl_verify_upstream_trusted_confdir": _TRUST,
    "ciphers_server": _OWN_TLS,
    "tls_ecdh_curve_server": _OWN_TLS,
    "tls_version_server_max": _OWN_TLS,
    "tls_version_server_min": _OWN_TLS,
    "keep_alt_svc_header": _ignored("a client is not sent past the proxy", told=False),
    "onboarding": _ignored("the listener answers for the backend alone", told=False),
    "onboarding_host": _ignored("the listener answers for the backend alone", told=False),
    "show_ignored_hosts": _ignored("none are ignored", told=False),
    # What refuses a caller or a request stays in force.
    "block_global": _followed("refuses callers"),
    "block_private": _followed("refuses callers"),
    "block_list": _followed("requests that it matches are refused there too", told=True),
    "proxyauth": _followed(
        "callers have to present that password too; what clients of OpenAI's API can present is codex_client_key",
        told=True,
    ),
    # The user's own, with or without this addon.
    "client_replay": _FILES,
    "client_replay_concurrency": _FILES,
    "hardump": _FILES,
    "intercept": _followed("a person may hold a request, and edit it"),
    "intercept_active": _followed("a person may hold a request, and edit it"),
    "keepserving": _FILES,
    "readfile_filter": _FILES,
    "rfile": _FILES,
    "save_stream_file": _FILES,
    "save_stream_filter": _FILES,
    "server_replay": _followed("recorded answers come in place of the backend's", told=True),
    "server_replay_extra": _REPLAYED,
    "server_replay_ignore_content": _REPLAYED,
    "server_replay_ignore_host": _REPLAYED,
    "server_replay_ignore_params": _REPLAYED,
    "server_replay_ignore_payload_params": _REPLAYED,
    "server_replay_ignore_port": _REPLAYED,
    "server_replay_kill_extra": _REPLAYED,
    "server_replay_nopop": _REPLAYED,
    "server_replay_refresh": _REPLAYED,
    "server_replay_reuse": _REPLAYED,
    "server_replay_use_headers": _REPLAYED,
    "connect_addr": _followed("which of this machine's addresses is dialled from"),
    "http_connect_send_host_header": _followed("what an outgoing proxy wants to see"),
    "tcp_timeout": _followed("how long an idle client is kept; a request that runs is not cut off"),
    "add_upstream_certs_to_client_chain": _TO_CLIENT,
    "cert_passphrase": _TO_CLIENT,
    "certs": _TO_CLIENT,
    "emudhra": _followed("TLS between client and proxy is the person's", told=True),
    "emudhra_old": _followed("TLS between client and proxy is the person's", told=True),
    "ciphers_client": _TO_CLIENT,
    "key_size": _TO_CLIENT,
    "request_client_cert": _TO_CLIENT,
    "tls_ecdh_curve_client": _TO_CLIENT,
    "tls_version_client_max": _TO_CLIENT,
    "tls_version_client_min": _TO_CLIENT,
    "upstream_cert": _TO_CLIENT,
    "dns_name_servers": _followed("of DNS listeners"),
    "dns_use_hosts_file": _followed("of DNS listeners"),
    "strip_ech": _followed("of DNS listeners"),
    "http3": _NO_UDP,
    "udp_hosts": _NO_UDP,
    "http2_ping_keepalive": _followed("of HTTP/2, which our connections do not speak"),
    "normalize_outbound_headers": _followed("of HTTP/2, which our connections do not speak"),
    "command_history": _OWN_PROCESS,
    "confdir": _OWN_PROCESS,
    "listen_host": _OWN_PROCESS,
    "listen_port": _OWN_PROCESS,
    "scripts": _OWN_PROCESS,
    "server": _OWN_PROCESS,
    "console_default_contentview": _SHOWN,
    "console_eventlog_verbosity": _SHOWN,
    "console_flowlist_layout": _SHOWN,
    "console_focus_follow": _SHOWN,
    "console_layout": _SHOWN,
    "console_layout_headers": _SHOWN,
    "console_mouse": _SHOWN,
    "console_palette": _SHOWN,
    "console_palette_transparent": _SHOWN,
    "console_quickhelp_visible": _SHOWN,
    "console_strip_trailing_newlines": _SHOWN,
    "content_view_lines_cutoff": _SHOWN,
    "dumper_default_contentview": _SHOWN,
    "dumper_filter": _SHOWN,
    "export_preserve_original_ip": _SHOWN,
    "flow_detail": _SHOWN,
    "protobuf_definitions": _SHOWN,
    "showhost": _SHOWN,
    "termlog_verbosity": _SHOWN,
    "view_filter": _SHOWN,
    "view_order": _SHOWN,
    "view_order_reversed": _SHOWN,
    "web_columns": _SHOWN,
    "web_debug": _SHOWN,
    "web_host": _SHOWN,
    "web_open_browser": _SHOWN,
    "web_password": _SHOWN,
    "web_port": _SHOWN,
    "web_static_viewer": _SHOWN,
    "web_theme": _SHOWN,
}

# Addons of mitmproxy's own that do not hear of our connections, by class: what their options would do is decided above. With
# hooks: only these are not heard.
UNHEARD: dict[str, frozenset[str]] = {
    "AntiCache": frozenset(),
    "AntiComp": frozenset(),
    "MapLocal": frozenset(),
    "MapRemote": frozenset(),
    "ModifyBody": frozenset(),
    "ModifyHeaders": frozenset(),
    "NextLayer": frozenset(),
    "Onboarding": frozenset(),
    "StickyAuth": frozenset(),
    "StickyCookie": frozenset(),
    "TlsConfig": frozenset({"tls_start_server", "quic_start_server"}),
    "UpdateAltSvc": frozenset(),
    "UpstreamAuth": frozenset(),
}


def value(name: str, given: Any, default: Any) -> Any:
    """The value of an option for our connections; `given` is the process's, `default` mitmproxy's."""
    decision = DECISIONS.get(name)
    if decision is None or decision.how == "ignored":
        return default
    return decision.value if decision.how == "fixed" else given


def is_heard(addon: str, hook: str) -> bool:
    """Does an addon of mitmproxy's own hear of a hook of our connections? `addon` is its class's name."""
    hooks = UNHEARD.get(addon)
    return hooks is None or (bool(hooks) and hook not in hooks)


def remark(name: str, given: Any, default: Any) -> str:
    """What the start says of an option that is set; empty where there is nothing to say."""
    decision = DECISIONS.get(name)
    if decision is None or not decision.told or given == default:
        return ""
    if decision.how == "followed":
        return f"{name} is followed on the Codex listener as well: {decision.why}."
    return "" if given == decision.value else f"{name} is not followed on the Codex listener: {decision.why}."
