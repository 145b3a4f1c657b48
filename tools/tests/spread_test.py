"""The measured spread and the tolerance that follows."""

import modules
import pytest
import torch

from pilotlight_export import compare, spread

IMAGES = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_ten_times_the_spread_is_written_rounded_up(write):
    report, read = write(modules.Small(), IMAGES)
    worst = max(report.spread.values())
    assert report.tolerance[0] >= 10 * worst
    assert read.manifest["golden"]["absoluteTolerance"] == report.tolerance[0] == report.tolerance[1]
    assert not any("tolerance" in warning for warning in report.warnings)


def test_scalar_kernels_are_measured_in_another_process(write):
    report, _ = write(modules.Sigmoid(), torch.linspace(0, 3, 4000).reshape(4, 1000), scalar_kernels=True)
    assert 0 < report.spread["scalar kernels"] < 1e-5
    assert not any("could not be measured" in warning for warning in report.warnings)


def test_a_wild_model_gets_a_wide_tolerance_and_a_warning(write):
    report, _ = write(modules.Wild(), torch.linspace(0, 3, 4000).reshape(4, 1000), scalar_kernels=True)
    assert report.tolerance[0] > 1e-4
    assert any("above the default" in warning for warning in report.warnings)


def test_a_tolerance_of_ones_own_is_kept_and_doubted_if_too_tight(write):
    x = torch.linspace(0, 3, 4000).reshape(4, 1000)
    report, read = write(modules.Sigmoid(), x, tolerance=(1e-9, 2e-9), scalar_kernels=True)
    assert read.manifest["golden"]["relativeTolerance"] == 2e-9
    assert any("more than the tolerance" in warning for warning in report.warnings)


@pytest.mark.parametrize("value, rounded", [(0.0, 0.0), (1.0, 1.0), (1.1e-6, 2e-6), (4e-5, 5e-5), (6e-3, 1e-2)])
def test_rounding_goes_up_to_one_two_or_five(value, rounded):
    assert compare.round_up(value) == rounded


def test_the_tolerance_never_falls_below_a_tenth_of_the_default():
    assert spread.tolerance_for(1e-9, 1e-4) == pytest.approx(1e-5)
    assert spread.tolerance_for(3e-4, 1e-4) == 5e-3


@pytest.mark.parametrize("actual, expected, distance", [
    ([1.0, 2.0], [1.0, 2.0], 0.0),
    ([0.01, 10.0], [0.0, 10.0], 0.001),
    ([11.0], [10.0], 0.05),
    ([float("nan")], [float("nan")], 0.0),
    ([float("nan")], [1.0], float("inf")),
    ([float("inf"), 1.0], [float("inf"), 1.0], 0.0),
])
def test_the_distance_is_the_rule_of_the_bundle(actual, expected, distance):
    assert compare.distance(torch.tensor(actual), torch.tensor(expected)) == pytest.approx(distance)


def test_integers_are_equal_or_infinitely_far():
    assert compare.distance(torch.tensor([1, 2]), torch.tensor([1, 2])) == 0
    assert compare.distance(torch.tensor([1, 2]), torch.tensor([1, 3])) == float("inf")
    assert compare.distance(torch.tensor([1]), torch.tensor([1.0])) == float("inf")
    assert compare.distance(torch.tensor([[1]]), torch.tensor([1])) == float("inf")
