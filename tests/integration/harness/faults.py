"""What can go wrong between a client and the API server. `Proxy.when` says where and how often."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """Answered in the server's place: the call is not forwarded."""

    status: int
    reason: str = ""
    message: str = "injected by the test"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None  # instead of a Status object

    def text(self) -> str:
        if self.body is not None:
            return self.body
        return json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                           "message": self.message, "reason": self.reason, "code": self.status})


@dataclass(frozen=True)
class Slow:
    """Forwarded `seconds` late."""

    seconds: float


@dataclass(frozen=True)
class LateAnswer:
    """Carried out at once; the client hears of it `seconds` late."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """Accepted and never answered, as by a peer that is gone without a word. A watch: no further byte comes."""

    after_events: int = 0


@dataclass(frozen=True)
class Reset:
    """The connection breaks before the call reaches the server."""


@dataclass(frozen=True)
class LoseAnswer:
    """The server does what it is asked to, and the connection breaks before the client hears of it."""


@dataclass(frozen=True)
class Cut:
    """The connection breaks inside the answer's body: after that many bytes, or that many whole lines of a watch."""

    bytes: int | None = None
    events: int | None = None


@dataclass(frozen=True)
class EndWatch:
    """After that many events the proxy sends `line`, if any, and ends the stream in good order."""

    after_events: int
    line: str | None = None

    @staticmethod
    def with_error(after_events: int, code: int, reason: str) -> "EndWatch":
        status = json.loads(Answer(code, reason).text())
        return EndWatch(after_events, json.dumps({"type": "ERROR", "object": status}))


@dataclass(frozen=True)
class Then:
    """Calls `before` when the call arrives and `after` once the server has answered, then breaks the connection.

    Both run in the proxy's loop and must be quick, e.g. kill the client.
    """

    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


Fault = Answer | Slow | LateAnswer | Hang | Reset | LoseAnswer | Cut | EndWatch | Then
