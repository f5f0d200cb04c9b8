"""Your ChatGPT subscription for any program that speaks OpenAI's API.

    mitmdump -s addon/codex.py --mode reverse:https://chatgpt.com@127.0.0.1:9090

or `mitmweb` with the same arguments, then point the program at http://127.0.0.1:9090 (any API key). The list below is
the walk of a request, one addon a step, each in the module of its name in `codex_proxy/addons`.
"""

from codex_proxy.addons.affinity import Affinity
from codex_proxy.addons.answer import Answer
from codex_proxy.addons.capture import Capture
from codex_proxy.addons.cert_folder import CertFolder
from codex_proxy.addons.compress import Compress
from codex_proxy.addons.connections import Connections
from codex_proxy.addons.cors import Cors
from codex_proxy.addons.dry_run import DryRun
from codex_proxy.addons.flow_reading import FlowReading
from codex_proxy.addons.go import Go
from codex_proxy.addons.guard import Guard
from codex_proxy.addons.head_time import HeadTime
from codex_proxy.addons.journal import Journal
from codex_proxy.addons.keep_flows import KeepFlows
from codex_proxy.addons.listeners import Listeners
from codex_proxy.addons.live import Live
from codex_proxy.addons.memory import Memory
from codex_proxy.addons.models import Models
from codex_proxy.addons.originals import Originals
from codex_proxy.addons.outlast import Outlast
from codex_proxy.addons.own_files import OwnFiles
from codex_proxy.addons.pages import Pages
from codex_proxy.addons.patch_body import PatchBody
from codex_proxy.addons.put_token import PutToken
from codex_proxy.addons.recent import Recent
from codex_proxy.addons.repeat import Repeat
from codex_proxy.addons.set_headers import SetHeaders
from codex_proxy.addons.settings import Settings
from codex_proxy.addons.sockets import Sockets
from codex_proxy.addons.status import Status
from codex_proxy.addons.stop import Stop
from codex_proxy.addons.tell import Tell
from codex_proxy.addons.unsaid import Unsaid
from codex_proxy.addons.unseen import Unseen
from codex_proxy.addons.views import Views
from codex_proxy.addons.where import Where

addons = [
    Journal(),  # how the log is written, where systemd reads it
    OwnFiles(),  # what flows are saved to, for its owner alone
    Outlast(),  # a full disk and a closed pipe end nothing that is under way
    Settings(),  # options of no single step
    Listeners(),  # which listeners the process may have
    CertFolder(),  # where mitmproxy keeps its certificates
    FlowReading(),  # files of flows that are not whole
    Connections(),  # a connection of ours leads nowhere until Go
    HeadTime(),  # and ends where a request's head takes too long
    Guard(),  # who: claims the flow, takes the client's credentials off, or 401/403
    Stop(),  # after SIGTERM: nothing new, and running answers go on to their ends
    Where(),  # where: client path → backend path, or 404/405
    Pages(),  # our own answers: / (a page, or JSON) and /healthz
    Unseen(),  # what the open page asks for goes no further, nor into the log
    PutToken(),  # token: fresh, on the wire only, or 401
    SetHeaders(),  # headers: what the backend wants, and nothing the client brought for itself
    Capture(),  # capture mode: what the client sent, one file a request
    Unsaid(),  # unsaid: the person's own effort, instructions, … where a client says nothing
    PatchBody(),  # body: what the backend would refuse is put right, or 400/413
    Memory(),  # memory: what passed here, for clients that believe it is stored
    Affinity(),  # affinity: a session that stays the same, for the prompt cache
    DryRun(),  # dry run: a canned answer, and nothing goes
    Models(),  # models: the account's own, listed and looked up
    Compress(),  # compress: large bodies go up as zstd
    Go(),  # go: the backend's address is written
    Repeat(),  # once more, after a refused token or a dead connection
    Answer(),  # answer: events as they come, the last one repaired; errors readable
    Cors(),  # pages that may call: what lets them read the answers
    Sockets(),  # WebSockets: each message as a request, each turn's events as its answer
    Status(),  # what is left of the usage windows: GET /, codex.status
    Tell(),  # tell: one log line, the flow's comment
    Recent(),  # the last requests in a few words each, for GET /
    Views(),  # how mitmproxy shows requests and answers
    Live(),  # mitmweb sees an answer growing
    KeepFlows(),  # and keeps so many flows
    Originals(),  # commands: what the client sent beside what went up
]
