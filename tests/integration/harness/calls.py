"""What a client asks of the API server, in Kubernetes' own words, and what became of it."""

import re
import time
from dataclasses import dataclass, field

_PATH = re.compile(r"^/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/(?P<ns>[^/]+))?"
                   r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass
class Call:
    method: str
    path: str
    query: dict[str, str]
    agent: str
    body: bytes = b""
    # The Authorization header, which is in no log.
    authorization: str = field(default="", repr=False)
    at: float = field(default_factory=time.monotonic)
    # What the client was answered; 0 while that is open, and for good where it got no answer.
    status: int = 0
    # The server has answered it, whatever became of the answer.
    served: bool = False
    # A watch whose stream has begun and not ended.
    open: bool = False
    # The fault that it met, for people.
    fault: str = ""
    verb: str = field(init=False)
    resource: str = field(init=False, default="")
    namespace: str = field(init=False, default="")
    name: str = field(init=False, default="")
    subresource: str = field(init=False, default="")

    def __post_init__(self) -> None:
        match = _PATH.match(self.path)
        if match:
            self.namespace, self.resource = match["ns"] or "", match["resource"]
            self.name, self.subresource = match["name"] or "", match["sub"] or ""
        if self.method != "GET":
            self.verb = _VERBS.get(self.method, self.method.lower())
        elif self.query.get("watch") in ("true", "1"):
            self.verb = "watch"
        else:
            self.verb = "get" if self.name or not self.resource else "list"

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    def __str__(self) -> str:
        query = "&".join(f"{key}={value}" for key, value in self.query.items())
        return (f"{self.at:.3f} {self.method} {self.path}{'?' + query if query else ''} -> {self.status or 'no answer'}"
                + (f" [{self.fault}]" if self.fault else ""))
