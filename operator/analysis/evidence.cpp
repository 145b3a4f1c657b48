#include "operator/analysis/evidence.h"

#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cassert>
#include <cmath>
#include <limits>

namespace pilotlight::analysis {
namespace {

// Results instead of exceptions: all arguments are in range, and what underflows is 0.
using Policy = boost::math::policies::policy<
    boost::math::policies::domain_error<boost::math::policies::ignore_error>,
    boost::math::policies::overflow_error<boost::math::policies::ignore_error>,
    boost::math::policies::evaluation_error<boost::math::policies::ignore_error>>;

long double LogGamma(long double x) {
  return boost::math::lgamma(x, Policy());
}

}  // namespace

// With N = m + 1, the integral is P(Binomial(N, p0) ≤ k) · B(k + 1, m − k + 1).
double LogE(std::int64_t k, std::int64_t m, const Null& null) {
  assert(0 <= k && k <= m && null.candidate >= 0 && null.stable >= 0 && null.candidate + null.stable > 0);
  const auto good = static_cast<long double>(m - k);
  const auto bad = static_cast<long double>(k);
  const long double p = null.P0();
  const long double q = null.stable / (null.candidate + null.stable);

  // Up to the expected share, the binomial's lower tail is summed from its last term on, in which all but
  // 1/(m − k + 1) cancels. So nothing underflows, and the terms fall from the first on.
  if (bad <= (bad + good) * p) {
    long double sum = 1;
    long double term = 1;
    for (std::int64_t i = 0; i < k && term > sum * std::numeric_limits<long double>::epsilon(); ++i) {
      term *= static_cast<long double>(k - i) * q / (static_cast<long double>(m - k + 2 + i) * p);
      sum += term;
    }
    return static_cast<double>(std::log(sum / (good + 1)));
  }

  if (p == 0) return std::numeric_limits<double>::infinity();
  // Above it, the tail is about 1/2 or more.
  const long double tail = boost::math::ibetac(bad + 1, good + 1, p, Policy());
  const long double log_beta = LogGamma(bad + 1) + LogGamma(good + 1) - LogGamma(bad + good + 2);
  return static_cast<double>(std::log(tail) + log_beta - bad * std::log(p) - (good + 1) * std::log(q));
}

}  // namespace pilotlight::analysis
