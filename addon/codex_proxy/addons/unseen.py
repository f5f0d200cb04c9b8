"""What the open page asks for, every second or two: no addon after this one sees it.

Neither log, nor saved file, nor mitmweb's list, which would hold little else.
"""

from mitmproxy import exceptions, http

from . import flows


class Unseen:
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flows.is_claimed(flow) and "unseen" in flows.state_of(flow):
            raise exceptions.AddonHalt

    request = response = error = requestheaders
