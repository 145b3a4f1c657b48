"""The traps: each is caught, named, located in the user's source, and comes with a remedy."""

import modules
import pytest
import torch

from pilotlight_export import (
    ControlFlowLost,
    FrozenShape,
    ModuleRaised,
    NotDeterministic,
    NotExportable,
    NotFinite,
    RowsDependOnEachOther,
    StillTraining,
    UnsupportedOutput,
)

X = torch.linspace(-1, 1, 16).reshape(4, 4)


def line_of(kind, text):
    """Where `text` stands in a test module's source."""
    import inspect

    lines, start = inspect.getsourcelines(kind)
    return start + next(i for i, line in enumerate(lines) if text in line)


def caught(error, kind, write, module, *inputs, at=None, **options):
    """The error's text, after checking its class, its place and that nothing was written."""
    with pytest.raises(error) as info:
        write(module, inputs if len(inputs) > 1 else inputs[0], **options)
    assert type(info.value) is error
    if at:
        lines = [(p.file, p.line) for p in info.value.places]
        assert (modules.__file__, line_of(kind, at)) in lines, f"{at!r} is not among {info.value.places}"
    assert "what to do: " in str(info.value)
    assert not write.path.exists()
    return str(info.value)


# Trap 1: control flow lost by tracing.


def test_a_condition_on_values_is_lost_by_tracing(write):
    text = caught(ControlFlowLost, modules.DataDependentIf, write, modules.DataDependentIf(), X[:1], at="if x.sum() > 0",
                  method="trace", batch=False)
    assert "method='script'" in text
    assert "if x.sum() > 0:" in text


def test_scripting_keeps_it(write):
    report, read = write(modules.DataDependentIf(), X[:1], batch=False)
    assert report.method == "script"
    model = read.model()
    for x in (torch.ones(1, 4), -torch.ones(1, 4)):
        assert model(x).shape == (1, 2)
    assert not torch.allclose(model(torch.ones(1, 4)) + model(-torch.ones(1, 4)), 2 * model(torch.zeros(1, 4)))


def test_where_scripting_fails_too_both_reasons_are_given(write):
    text = caught(ControlFlowLost, modules.RowWiseIf, write, modules.RowWiseIf(), X, at="if row.sum() > 0")
    assert "**kwargs" in text and "Tracing does not help" in text


def test_a_condition_that_no_trial_could_shake_needs_consent(write):
    text = caught(ControlFlowLost, modules.HarmlessCondition, write, modules.HarmlessCondition(), X, at="if x.ndim != 2",
                  method="trace")
    assert "accept_tracer_warnings=True" in text
    report, _ = write(modules.HarmlessCondition(), X, accept_tracer_warnings=True)
    assert report.method == "trace"
    assert any("only the branch taken" in warning for warning in report.warnings)


# Trap 2: calls that cannot be exported.


@pytest.mark.parametrize("kind, at, says", [
    (modules.CallsNumpy, "x.numpy()", "leaves PyTorch"),
    (modules.CatchesErrors, "try:", "try/except"),
    (modules.UsesLambda, "lambda y", "lambda"),
    (modules.KeepsAnObject, "self.settings.factor", "neither a tensor, a number"),
    (modules.RowWiseIf, "def forward", "**kwargs"),
    (modules.WithoutAnnotation, "self.scaled(x, 3)", "annotate"),
])
def test_what_script_cannot_hold_is_said_in_plain_words(write, kind, at, says):
    text = caught(NotExportable, kind, write, kind(), X, at=at, method="script")
    assert says in text


def test_numpy_calls_are_caught_whatever_the_method(write):
    caught(NotExportable, modules.CallsNumpy, write, modules.CallsNumpy(), X, at="x.numpy()")
    caught(ControlFlowLost, modules.CallsNumpy, write, modules.CallsNumpy(), X, at="x.numpy()", method="trace")


def test_a_tensor_that_is_no_buffer_is_explained(write):
    text = caught(NotExportable, modules.TensorAttribute, write, modules.TensorAttribute(), X, method="trace")
    assert "register_buffer" in text


def test_what_cannot_be_scripted_but_traced_is_traced_with_the_reason(write):
    report, _ = write(modules.CatchesErrors(), X)
    assert report.method == "trace"
    assert any("try/except" in warning for warning in report.warnings)


# Trap 3: shapes frozen by the example.


def test_a_batch_written_as_a_number_is_found_in_the_module(write):
    text = caught(FrozenShape, modules.FrozenView, write, modules.FrozenView(), torch.randn(4, 3), at="x.view(4, -1)")
    assert "x.view(x.size(0), -1)" in text


def test_a_batch_that_is_silently_wrong_is_found(write):
    text = caught(FrozenShape, modules.SilentlyFrozenView, write, modules.SilentlyFrozenView(), torch.randn(4, 12))
    assert "the example's for ever" in text


def test_a_lost_batch_of_one_is_found(write):
    assert "squeeze()" in caught(FrozenShape, modules.Squeezing, write, modules.Squeezing(), torch.randn(4, 3))


def test_a_size_frozen_by_tracing_is_found(write):
    text = caught(FrozenShape, modules.FrozenByInt, write, modules.FrozenByInt(), X, at="int(x.shape[0])", method="trace")
    assert "a batch of 1" in text


def test_a_loop_over_a_size_is_unrolled_by_tracing_and_kept_by_scripting(write):
    text = caught(FrozenShape, modules.LoopOverShape, write, modules.LoopOverShape(), X, method="trace",
                  dynamic_axes={"x": [1]})
    assert "axis 'x[1]'" in text
    report, read = write(modules.LoopOverShape(), X, dynamic_axes={"x": [1]})
    assert report.method == "script"
    assert read.manifest["contract"]["inputs"][0]["shape"] == [-1, -1]


def test_a_loop_over_a_fixed_size_may_be_traced(write):
    assert write(modules.LoopOverShapeTraceOnly(), X)[0].method == "trace"


def test_an_axis_that_cannot_vary_is_refused(write):
    text = caught(FrozenShape, modules.Small, write, modules.Small(), torch.rand(2, 1, 8, 8), at="self.out(",
                  dynamic_axes={"image": [3]})
    assert "image[3] is declared to vary" in text


def test_axes_that_vary_together_want_one_name(write):
    ids, mask = torch.tensor([[1, 2, 3]]), torch.ones(1, 3, dtype=torch.bool)
    text = caught(FrozenShape, modules.Embeds, write, modules.Embeds(), ids, mask, dynamic_axes={"ids": [1], "mask": [1]})
    assert "the same name" in text


# Training, randomness, batches.


def test_functional_dropout_is_found_although_the_module_is_in_eval_mode(write):
    text = caught(StillTraining, modules.DropoutAlwaysOn, write, modules.DropoutAlwaysOn().eval(), X, at="F.dropout(x, 0.5)")
    assert "training=self.training" in text


def test_a_part_that_switches_itself_back_is_named(write):
    assert "drop (Dropout)" in caught(StillTraining, modules.SwitchesItselfBack, write, modules.SwitchesItselfBack(), X)


def test_noise_is_found(write):
    caught(NotDeterministic, modules.DrawsNoise, write, modules.DrawsNoise(), X, at="torch.randn_like(x)")


def test_a_norm_over_the_batch_is_named(write):
    text = caught(RowsDependOnEachOther, modules.NormOverBatch, write, modules.NormOverBatch(), X)
    assert "norm normalise" in text and "track_running_stats" in text


def test_rows_that_see_each_other_are_refused_as_a_batch(write):
    assert "batch=False" in caught(RowsDependOnEachOther, modules.MeanOverBatch, write, modules.MeanOverBatch(), X)


# Outputs, and modules that fail by themselves.


@pytest.mark.parametrize("rule, says", [
    (lambda x: 3.5, "returns a float"),
    (lambda x: None, "returns None"),
    (lambda x: (x, 3), r"a int at [1]"),
    (lambda x: (x, (x, x)), r"a tuple at [1]"),
    (lambda x: {"a": x, "b": "text"}, "a str at ['b']"),
    (lambda x: {1: x}, "keys that are not text"),
    (lambda x: [], "returns nothing"),
    (lambda x: {x.sum()}, "returns a set"),
    (lambda x: x.to_sparse(), "sparse"),
])
def test_outputs_that_are_no_tensors_are_explained(write, rule, says):
    assert says in caught(UnsupportedOutput, None, write, modules.Returns(rule), X)


def test_outputs_may_not_come_and_go(write):
    rule = modules.Returns(lambda x: (x, x) if x.size(0) > 3 else (x,))
    assert "returns 2 tensors for the example" in caught(UnsupportedOutput, None, write, rule, X)


def test_a_module_that_fails_by_itself_is_said_to(write):
    text = caught(ModuleRaised, modules.Small, write, modules.Small(), torch.rand(2, 3, 8, 8), at="self.norm(self.conv(image))")
    assert "the module itself fails" in text


def test_an_expected_nan_proves_nothing(write):
    caught(NotFinite, None, write, modules.Returns(torch.log), X)
