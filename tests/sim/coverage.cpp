#include "tests/sim/coverage.h"

#include <algorithm>
#include <ostream>
#include <vector>

#include "operator/plan/names.h"
#include "tests/sim/api_server.h"

namespace pilotlight::sim {
namespace {

std::uint64_t Mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15U + (hash << 6U) + (hash >> 2U);
  return hash * 0xff51afd7ed558ccdU;
}

// What a revision is to the rollout. Which one of several old ones makes no difference.
std::uint64_t Role(const api::Status& status, const std::string& revision) {
  return (revision == status.stable_revision ? 1U : 0U) + (revision == status.candidate_revision ? 2U : 0U) +
         (revision == status.rollout.revision ? 4U : 0U);
}

std::uint64_t TrafficOf(const std::string& label) {
  return label == plan::kTrafficService ? 1U : label == plan::kTrafficSplit ? 2U : 0U;
}

std::uint64_t StateOf(const ApiServer& api) {
  static const api::Status kNone;
  const api::ModelDeployment* model = api.model();
  const api::Status& status = model == nullptr ? kNone : model->status;
  std::uint64_t hash = model == nullptr ? 1 : 2;
  hash = Mix(hash, static_cast<std::uint64_t>(status.rollout.phase));
  if (model != nullptr) hash = Mix(hash, static_cast<std::uint64_t>(model->spec.replicas));
  if (const auto& canary = status.rollout.canary;
      canary && status.rollout.revision != status.stable_revision) {
    for (const std::int64_t part : {canary->step, canary->desired, canary->applied})
      hash = Mix(hash, static_cast<std::uint64_t>(part));
    hash = Mix(hash, (canary->step_since ? 1U : 0U) + (canary->promoting ? 2U : 0U));
  }
  for (const auto& condition : status.conditions)
    hash = Mix(hash, static_cast<std::uint64_t>(condition.status));
  std::vector<std::uint64_t> parts;
  for (const auto& [name, rs] : api.replica_sets.all()) {
    std::uint64_t part = Mix(Role(status, name), static_cast<std::uint64_t>(rs->replicas));
    part = Mix(part, TrafficOf(rs->traffic));
    part = Mix(part, rs->digest.empty() ? 1U : 0U);
    const api::RevisionStatus* record = status.FindRevision(name);
    parts.push_back(Mix(part, record == nullptr ? 9U : static_cast<std::uint64_t>(record->phase)));
  }
  for (const auto& [name, pod] : api.pods.all()) {
    std::uint64_t part = Mix(Role(status, pod->meta.revision), TrafficOf(pod->traffic));
    part = Mix(part, (pod->ready ? 1U : 0U) + (pod->running ? 2U : 0U) + (pod->meta.deleting ? 4U : 0U) +
                         (pod->digest.empty() ? 8U : 0U) + (pod->node.empty() ? 16U : 0U) +
                         (pod->phase == "Failed" ? 32U : 0U));
    parts.push_back(part);
  }
  std::ranges::sort(parts);
  for (const std::uint64_t part : parts) hash = Mix(hash, part);
  hash = Mix(hash, api.service() == nullptr ? 0U : 1U);
  hash = Mix(hash, api.endpoints() == nullptr ? 0U : api.endpoints()->ready_pods.size() + 1);
  return hash;
}

}  // namespace

void Coverage::Note(const ApiServer& api) {
  const std::uint64_t state = StateOf(api);
  if (state == last_) return;
  states_.insert(state);
  transitions_.insert(Mix(last_, state));
  last_ = state;
}

Coverage Coverage::FromHere() const {
  Coverage here;
  here.last_ = last_;
  return here;
}

void Coverage::Add(const Coverage& other) {
  states_.insert(other.states_.begin(), other.states_.end());
  transitions_.insert(other.transitions_.begin(), other.transitions_.end());
}

nlohmann::json Coverage::ToJson() const {
  return {{"states", states_}, {"transitions", transitions_}};
}

Coverage Coverage::FromJson(const nlohmann::json& document) {
  Coverage read;
  document.at("states").get_to(read.states_);
  document.at("transitions").get_to(read.transitions_);
  return read;
}

void Coverage::Write(std::ostream& out) const {
  for (const std::uint64_t state : states_) out << "state " << state << '\n';
  for (const std::uint64_t transition : transitions_) out << "transition " << transition << '\n';
}

}  // namespace pilotlight::sim
