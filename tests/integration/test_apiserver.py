"""The API server itself goes away and comes back, with an empty watch cache: real 410s, real broken connections."""

from harness import story
from harness.processes import eventually


def test_restart_at_rest_changes_nothing(scene, expected):
    story.first(scene)
    scene.restart_apiserver()
    eventually("the operator watches again", lambda: len(scene.proxy.open_watches()) >= 6, timeout=45)
    scene.await_quiet()
    assert scene.snapshot() == expected.first
    assert scene.operator.program.running()


def test_restart_in_the_middle_of_a_replacement(scene, expected):
    story.first(scene)
    scene.cluster.guard_capacity(scene.namespace, 2)
    scene.apply(uri=story.SECOND)
    eventually("the second model's pod is there", lambda: len(scene.pods()) > 2)
    scene.restart_apiserver()
    story.second(scene, timeout=90)
    assert scene.snapshot() == expected.second


def test_changes_made_while_the_operator_is_cut_off_are_followed_after_a_restart(scene, expected):
    """Its resource versions are older than all that the new watch cache knows: the server answers 410."""
    story.first(scene)
    scene.proxy.refuse()
    scene.restart_apiserver()
    for number in range(20):
        scene.kube.create("configmaps", {"metadata": {"name": f"noise-{number}"}}, scene.namespace)
    scene.apply(uri=story.SECOND)
    scene.proxy.accept()
    story.second(scene, timeout=90)
    assert scene.snapshot() == expected.second
