"""Callers who never ask twice and check every answer, while something happens to the model that they call."""

import contextlib
import json
import os
import time

from kube import settled
from load import Load
from witness import Witness

ROW = [1.0, 2.0, 4.0]
BODY = json.dumps({"instances": [ROW]}).encode()


@contextlib.contextmanager
def unnoticed(kube, name, figures, body=BODY, rate=40, rows=1):
    """Inside, requests are sent and the status is recorded. Yields a dictionary to be filled: revision → its factor.
    Afterwards: no request failed, each answer was right, and each version of the status was so."""
    address = kube.get("service", name)["spec"]["clusterIP"]
    factors = {}
    began = time.monotonic()
    with Witness(kube, name) as witness:
        with Load(address, body, rate) as load:
            load.wait_for(max(2, int(rate / 2)))
            yield factors, load
            kube.drained(name)
            load.wait_for(max(2, int(rate)))
        time.sleep(0.5)  # the watches' last events
    figures.append(f"{os.environ['PYTEST_CURRENT_TEST'].split('::')[1].split()[0]}: {load}, in {time.monotonic() - began:.0f} s; "
                   f"phases {' '.join(witness.phases)}")
    assert_unnoticed(load, factors, rows)
    witness.check()


def assert_unnoticed(load, factors, rows=1):
    """No request failed, and each answer is that of a revision which may have given it: ROW times its factor."""
    assert load.failures == [] and load.answers[503] == 0, f"{load}\n" + "\n".join(load.failures[:20])
    for revision, values in load.by_revision.items():
        assert revision in factors, f"{revision} answered, which never was to"
        right = [[factors[revision] * x for x in ROW]] * rows
        assert all(json.loads(value) == right for value in values), f"{revision} answered {str(values)[:500]}"


def serving(replicas):
    def check(model):
        status = model["status"]
        return (settled(model, "UpToDate") and status.get("readyReplicas") == replicas
                and status["rollout"]["phase"] == "Complete")

    return check
