#pragma once

#include <cstdint>

// The test that aborts: how strongly k candidate's events among m bad ones speak against "the candidate is no
// worse". The number may be looked at after every event, for as long as one likes: that it ever reaches 1/α
// although the candidate is no worse has a chance of α at most (Ville's inequality).
//
// M. Lindon, A. Malek: Anytime-Valid Inference for Multinomial Count Data, NeurIPS 2022 (arXiv 2011.03567),
// with two outcomes, and one-sided: the Beta(1, 1) mixture is truncated to shares above that of the null
// hypothesis.
//
// Thread-safety: no state.
namespace pilotlight::analysis {

// "Under the null hypothesis a bad event is the candidate's with probability p0 at most", as the odds
// candidate : stable, so that a p0 next to 0 or 1 loses no digits. Neither is negative, and one is not 0.
struct Null {
  long double candidate = 1;
  long double stable = 1;

  long double P0() const { return candidate / (candidate + stable); }
};

// The natural logarithm of the e-value
//
//   E = ∫ θᵏ(1−θ)ᵐ⁻ᵏ dθ over (p0, 1) / ((1 − p0) · p0ᵏ(1−p0)ᵐ⁻ᵏ)
//
// for 0 ≤ k ≤ m ≤ 10⁹. Finite, but for k > 0 with p0 = 0, which is proof (+infinity). The absolute error is
// below 10⁻⁷. E falls as p0 grows, is 1 without events, and never less than 1/(m + 1).
double LogE(std::int64_t k, std::int64_t m, const Null& null);

}  // namespace pilotlight::analysis
