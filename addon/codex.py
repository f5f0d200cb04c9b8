"""Use your ChatGPT subscription with any program that speaks OpenAI's API.

    mitmdump -s addon/codex.py --mode reverse:https://chatgpt.com@127.0.0.1:9090

or `mitmweb` with the same arguments, then point the program at http://127.0.0.1:9090 (any API key). Below are the services, who
gets which, and the steps of a request in order: each step is a class in the module of its name in `codex_proxy/steps`.
"""

from codex_proxy.addons.cert_folder import CertFolder
from codex_proxy.addons.codex_proxy import CodexProxy
from codex_proxy.addons.connections import Connections
from codex_proxy.addons.flow_reading import FlowReading
from codex_proxy.addons.head_time import HeadTime
from codex_proxy.addons.journal import Journal
from codex_proxy.addons.listeners import Listeners
from codex_proxy.addons.options import Options
from codex_proxy.addons.originals import Originals
from codex_proxy.addons.outlast import Outlast
from codex_proxy.addons.own_files import OwnFiles
from codex_proxy.addons.views import Views
from codex_proxy.layers.way_out import WayOut
from codex_proxy.steps.admit import Admit
from codex_proxy.steps.affinity import Affinity
from codex_proxy.steps.answer import Answer
from codex_proxy.steps.capture import Capture
from codex_proxy.steps.client_key import ClientKey
from codex_proxy.steps.compaction import Compaction
from codex_proxy.steps.compress import Compress
from codex_proxy.steps.cors import Cors
from codex_proxy.steps.dry_run import DryRun
from codex_proxy.steps.graceful_shutdown import GracefulShutdown
from codex_proxy.steps.hide_polling import HidePolling
from codex_proxy.steps.inject_token import InjectToken
from codex_proxy.steps.keep_flows import KeepFlows
from codex_proxy.steps.list_models import ListModels
from codex_proxy.steps.live_view import LiveView
from codex_proxy.steps.login import Login
from codex_proxy.steps.memory import Memory
from codex_proxy.steps.models import Models
from codex_proxy.steps.origins import Origins
from codex_proxy.steps.patch_body import PatchBody
from codex_proxy.steps.patching import Patching
from codex_proxy.steps.recent_requests import RecentRequests
from codex_proxy.steps.remember import Remember
from codex_proxy.steps.request_log import RequestLog
from codex_proxy.steps.retry import Retry
from codex_proxy.steps.route import Route
from codex_proxy.steps.send import Send
from codex_proxy.steps.set_headers import SetHeaders
from codex_proxy.steps.status_page import StatusPage
from codex_proxy.steps.stopping import Stopping
from codex_proxy.steps.timeouts import Timeouts
from codex_proxy.steps.usage_windows import UsageWindows
from codex_proxy.steps.user_defaults import UserDefaults
from codex_proxy.steps.websockets import WebSockets

key, origins, login, way_out = ClientKey(), Origins(), Login(), WayOut()
patching, defaults, memory, timeouts, stopping = Patching(), UserDefaults(), Memory(), Timeouts(), Stopping()
models, usage, recent = Models(login), UsageWindows(login), RecentRequests()
inject_token, capture = InjectToken(login), Capture(patching)
patch_body, compaction = PatchBody(patching, models, memory, defaults), Compaction(patching)
websockets = WebSockets(patch_body, models, memory, login, timeouts, stopping, usage, recent)
shutdown = GracefulShutdown(stopping, websockets)

walk = CodexProxy(
    services=[key, origins, login, patching, defaults, memory, timeouts],
    up=[
        Admit(key, origins),  # removes the client's credentials; 401 or 403 for callers without access
        shutdown,  # refuses new requests after SIGTERM
        Route(),  # client path → backend path, or 404, 405
        HidePolling(),  # keeps the status page's polling out of the log
        StatusPage(key, login, models, usage, recent),  # our own answers: / and /healthz
        inject_token,  # a fresh token, on the wire only, or 401
        SetHeaders(),  # the headers for the backend, without the client's own
        capture,  # capture mode: what the client sent, in a file
        patch_body,  # patches what the backend would refuse, or 400, 413
        compaction,  # compacts by a turn once the backend has no endpoint for it
        Remember(memory),  # notes the request's items, for clients that rely on server-side storage
        Affinity(),  # a session header for the prompt cache
        DryRun(memory),  # a canned answer in a dry run; nothing is sent
        ListModels(models, patching),  # the account's models
        Compress(),  # compresses large bodies (zstd)
        Send(way_out, timeouts),  # sets the backend's address
    ],
    down=[
        inject_token,  # notes an accepted token; keeps the cookies
        models,  # notices a changed catalogue
        capture,  # capture mode: how it was answered
        Retry(login, patching, timeouts, compaction),  # retries once, after a refused token or a dead connection
        Answer(memory, models, login),  # repairs the last event, makes errors readable
        Cors(),  # CORS headers for pages that may call
        websockets,  # each message is a request, each turn's events its answer
    ],
    watch=[
        usage,  # remaining usage
        RequestLog(),  # one log line, the flow's comment
        recent,  # the last requests, for the status page
        LiveView(),  # shows growing answers in mitmweb
        KeepFlows(),  # limits the number of kept flows
    ],
)

addons = [
    Journal(),  # log format, also for systemd
    OwnFiles(),  # flow files with mode 0600
    Outlast(shutdown.asked),  # survives a full disk and a closed pipe
    Options(),  # the table of options
    Listeners(),  # checks the listeners of the process
    CertFolder(),  # where mitmproxy keeps its certificates
    FlowReading(),  # reads damaged flow files
    Connections(way_out),  # a connection of ours leads nowhere until the last step
    HeadTime(),  # time limit for a request's head
    walk,
    Views(),  # how mitmproxy shows requests and answers
    Originals(),  # commands: compare what the client sent with what went up
]
