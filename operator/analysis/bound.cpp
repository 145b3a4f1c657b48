#include "operator/analysis/bound.h"

#include <boost/math/special_functions/beta.hpp>

namespace pilotlight::analysis {

double UpperBound(const Events& events, double confidence) {
  if (events.bad >= events.requests) return 1;
  return boost::math::ibeta_inv(static_cast<double>(events.bad + 1),
                                static_cast<double>(events.requests - events.bad), confidence);
}

}  // namespace pilotlight::analysis
