#!/usr/bin/env python3
"""How big the parts are, against their limits: `./dev sizes`. Exit code 1 if one is over.

Measured in the running containers: resident memory from /proc, the image by du. A small model is deployed for it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / part) for part in ("e2e", "tools", "tools/tests")]

from kube import Kube, settled  # noqa: E402

MIB = 1 << 20
LIMITS = [  # what, how many bytes at most, how it is shown
    ("operator, idle, resident", 20 * MIB),
    ("front, anonymous", 15 * MIB),
    ("sidecar's CPU image, unpacked", 1_000_000_000),
]


def memory(kube: Kube, pod: str, field: str) -> int:
    """A field of /proc/1/status of a pod's container, in bytes."""
    text = kube.run("exec", pod, "--", "cat", "/proc/1/status")
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


def image_size(kube: Kube, pod: str) -> int:
    """What the image takes on disk. Folders that only root may read are empty in it, and passed over."""
    command = ["kubectl", "-n", kube.namespace, "exec", pod, "--", "du", "-sxk", "/"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return int(done.stdout.split()[0]) * 1024


def running_pod(kube: Kube, selector: str) -> str:
    kube.run("wait", "--for=condition=Ready", "pod", "-l", selector, "--timeout=60s")
    return kube.list("pods", selector)[0]["metadata"]["name"]


def measure() -> list[int]:
    import bundles
    from store import Store

    system = Kube("pilotlight-system")
    operator = memory(system, running_pod(system, "app.kubernetes.io/component=operator"), "VmRSS")
    name = f"sizes-{uuid.uuid4().hex[:8]}"
    kube, store = Kube(name), Store(os.environ["PILOTLIGHT_HOST_ADDRESS"])
    kube.run("create", "namespace", name)
    try:
        with tempfile.TemporaryDirectory() as folder:
            uri = store.put("scale.tar", bundles.scale(Path(folder), 2.0))
        kube.apply({"apiVersion": "pilotlight.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "scale"},
                    "spec": {"model": {"uri": uri}}})
        kube.until("modeldeployment", "scale", lambda m: settled(m, "UpToDate"))
        pod = running_pod(kube, "app.kubernetes.io/instance=scale")
        return [operator, memory(kube, pod, "RssAnon"), image_size(kube, pod)]
    finally:
        store.close()
        kube.run("delete", "namespace", name, "--wait=false")


def main() -> int:
    over = False
    for (what, limit), size in zip(LIMITS, measure()):
        unit, name = (MIB, "MiB") if limit < 100 * MIB else (1_000_000, "MB")
        over |= size > limit
        print(f"{what:<32} {size / unit:8.1f} {name}   limit {limit / unit:6.0f} {name}   "
              + ("ok" if size <= limit else "TOO LARGE"))
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
