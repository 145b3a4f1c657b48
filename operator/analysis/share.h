#pragma once

#include "operator/analysis/segment.h"

// Whether a weight is in force: by what arrived, not by what was written.
//
// Thread-safety: no state.
namespace pilotlight::analysis {

struct Share {
  double wanted = 0;
  double observed = 0;
  // How far the two may be apart: three standard deviations of what chance does to a share of so many
  // requests, and at least two percentage points.
  double tolerance = 0;
  bool verified = false;  // never without requests
};

Share ObservedShare(double weight, const Assigned& assigned);

}  // namespace pilotlight::analysis
