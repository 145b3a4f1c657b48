"""The operator as a process: how it ends, what it costs, what it tells about itself, and who it says it is."""

import signal

import pytest

from harness import story
from harness.certificates import Authority
from harness.controlplane import OPERATOR_NEXT_TOKEN, OPERATOR_TOKEN
from harness.faults import Answer, Hang
from harness.operator import write_kubeconfig
from harness.processes import eventually

SOON = 2.0  # seconds
MIB = 2**20


def assert_ends_well(scene) -> None:
    took = scene.operator.terminate()
    assert took < SOON, f"it took {took:.2f} s"
    assert scene.operator.program.exit_code() == 0, scene.operator.program.tail()


def test_watches_all_namespaces_if_none_is_named(stage, operator_program, expected):
    assert expected.first  # nobody else is at work any more
    with stage.scene(alone=True) as scene:
        story.first(scene)
        assert scene.snapshot() == expected.first


def test_sigterm_ends_it_at_rest(scene):
    story.first(scene)
    assert_ends_well(scene)


def test_sigterm_ends_it_at_work(scene):
    for number in range(10):
        scene.apply(f"digits-{number}")
    eventually("work is under way", lambda: scene.proxy.writes())
    assert_ends_well(scene)


def test_sigterm_ends_it_while_calls_hang(scene):
    scene.operator.await_ready()
    scene.proxy.when(Hang(), times=None, also=lambda call: call.is_write)
    scene.apply()
    eventually("a call hangs", lambda: scene.proxy.writes())
    assert_ends_well(scene)


def test_sigterm_ends_it_while_it_waits_for_a_server(stage, operator_program):
    with stage.scene(start=False) as scene:
        scene.proxy.refuse()
        scene.operator.start()
        eventually("it is alive", lambda: scene.operator.health("/healthz") == 200)
        assert scene.operator.health("/readyz") != 200
        assert_ends_well(scene)


def test_sigint_ends_it_too(scene):
    scene.operator.await_ready()
    scene.operator.program.signal(signal.SIGINT)
    eventually("it has ended", lambda: not scene.operator.program.running(), timeout=SOON)
    assert scene.operator.program.exit_code() == 0


def test_is_alive_but_not_ready_without_lists(stage, operator_program):
    with stage.scene(start=False) as scene:
        scene.proxy.when(Answer(500, "InternalError"), times=None, verb="list", resource="pods")
        scene.operator.start()
        eventually("pods are asked for twice", lambda: len(scene.proxy.calls(verb="list", resource="pods")) > 1)
        assert scene.operator.health("/healthz") == 200 and scene.operator.health("/readyz") != 200
        scene.proxy.heal()
        scene.operator.await_ready()


def test_idle_memory_is_small(scene, capsys):
    """Each 20 s it gives back what it does not use."""
    story.first(scene)
    mib = lambda: scene.operator.rss() / MIB
    eventually(lambda: f"at most 20 MiB are resident; it is {mib():.1f}", lambda: mib() <= 20, timeout=60)
    with capsys.disabled():
        print(f"\noperator, idle: {mib():.1f} MiB resident (at most 20)", end=" ")


def test_metrics_bear_the_names_that_dashboards_know(scene):
    story.first(scene)
    names = {series.split("{")[0] for series in scene.operator.metrics()}
    wanted = {"controller_runtime_reconcile_total", "controller_runtime_reconcile_errors_total",
              "controller_runtime_reconcile_time_seconds_bucket", "controller_runtime_max_concurrent_reconciles",
              "controller_runtime_active_workers", "workqueue_depth", "workqueue_adds_total",
              "workqueue_queue_duration_seconds_bucket", "workqueue_work_duration_seconds_bucket",
              "rest_client_requests_total"}
    assert wanted <= names, wanted - names


def test_new_token_is_read_when_the_old_one_is_refused(stage, operator_program):
    with stage.scene(start=False) as scene:
        token = scene.folder / "token"
        token.write_text(OPERATOR_TOKEN)
        write_kubeconfig(scene.folder / "operator.kubeconfig", scene.proxy.url, stage.control_plane.authority.ca,
                         {"tokenFile": str(token)})
        scene.operator.start()
        story.first(scene)
        token.write_text(OPERATOR_NEXT_TOKEN)
        scene.proxy.when(Answer(401, "Unauthorized"), times=None,
                         also=lambda call: call.authorization == f"Bearer {OPERATOR_TOKEN}")
        scene.proxy.break_connections()
        story.second(scene)


def test_stranger_with_the_servers_address_is_not_believed(stage, operator_program, tmp_path):
    """A server whose certificate another authority signed gets no token."""
    with stage.scene(start=False) as scene:
        stranger = Authority(tmp_path / "stranger")
        write_kubeconfig(scene.folder / "operator.kubeconfig", scene.proxy.url, stranger.ca, {"token": OPERATOR_TOKEN})
        scene.operator.start()
        eventually("it is alive", lambda: scene.operator.health("/healthz") == 200)
        eventually("it says why", lambda: "certificate" in scene.operator.program.log.read_text())
        assert scene.proxy.calls() == []


@pytest.mark.parametrize("flag", ["--no-such-flag", "--log-level=chatty"])
def test_wrong_flag_ends_it_with_a_reason(stage, operator_program, flag):
    with stage.scene(start=False) as scene:
        scene.operator.start(extra=(flag,))
        eventually("it ends", lambda: not scene.operator.program.running(), timeout=5)
        assert scene.operator.program.exit_code() != 0
        assert flag.split("=")[-1] in scene.operator.program.tail()
