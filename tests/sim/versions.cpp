#include "tests/sim/versions.h"

#include <vector>

#include "operator/plan/revision.h"
#include "tests/sim/api_server.h"

namespace pilotlight::sim {

std::string RevisionOf(int version) {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (int each = 0; each < kVersions; ++each) {
      api::ModelDeployment model{.name = ApiServer::kName};
      model.spec.model.uri = SpecOf(each)["model"]["uri"];
      names.push_back(plan::RevisionName(model));
    }
    return names;
  }();
  return kNames[static_cast<std::size_t>(version) % kVersions];
}

}  // namespace pilotlight::sim
