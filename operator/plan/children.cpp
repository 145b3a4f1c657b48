// What stands beside the pods: a revision's own objects, Service, budget; and revisions that nobody needs any
// more.
#include <algorithm>
#include <set>

#include "operator/plan/names.h"
#include "operator/plan/planner.h"
#include "operator/plan/render.h"

namespace pilotlight::plan {

bool Planner::HasConfig(const std::string& revision) const {
  return std::ranges::any_of(seen_.config_maps, [&](const api::ConfigMap& config) {
    return config.meta.name == revision && !config.meta.deleting;
  });
}

void Planner::CreateRevision() {
  if (fleet_.Find(target_) != nullptr) return;  // then KeepConfigs() has seen to its ConfigMap
  if (!HasConfig(target_))
    decision_.actions.emplace_back(Create{Kind::kConfigMap, target_, RenderConfigMap(model_, target_)});
  // Should the ReplicaSet of a proven revision have been deleted, the new one is bound to the same bytes.
  const api::RevisionStatus& record = Record(target_);
  const std::string pin = record.phase == api::RevisionPhase::kProven ? record.digest : std::string();
  decision_.actions.emplace_back(Create{
      Kind::kReplicaSet, target_, RenderReplicaSet(model_, target_, pin, seen_.settings.sidecar_image)});
}

// Each revision that is kept has its ConfigMap, as it once was rendered: its pods read it, and so does who
// goes back to it. Should it have been deleted, the ReplicaSet has a copy.
void Planner::KeepConfigs() {
  for (const api::ReplicaSet& rs : seen_.replica_sets) {
    const std::string& revision = rs.meta.name;
    if (rs.meta.deleting || HasConfig(revision)) continue;
    nlohmann::json body = RestoreConfigMap(model_, revision, rs.config);
    if (body.is_null() && revision == target_) body = RenderConfigMap(model_, revision);
    if (!body.is_null()) {
      decision_.actions.emplace_back(Create{Kind::kConfigMap, revision, std::move(body)});
    } else if (revision == stable_) {
      const std::string told =
          "ConfigMap " + revision +
          " was deleted, without it no new pod of that revision starts, and it cannot be "
          "made again from what is there; restore it from a backup, or let another "
          "revision take its place";
      if (trouble_.wrong) {
        trouble_.message += "; " + told;
      } else {
        Await({"ConfigMapMissing", told, true});
      }
    }
  }
}

void Planner::KeepService() {
  const auto& service = seen_.service;
  if (!service) {
    decision_.actions.emplace_back(Create{Kind::kService, model_.name, RenderService(model_)});
  } else if (!service->meta.deleting &&
             (service->selector != ServingLabels(model_.name) || service->ports != ServicePorts())) {
    decision_.actions.emplace_back(
        Repair{Kind::kService, model_.name, service->meta.uid, RenderService(model_)});
  }
}

// Not a revision's: it may change under running pods, whose sidecars read it anew with each call.
void Planner::KeepKeys() {
  const auto& keys = seen_.settings.operator_keys;
  if (keys.empty()) return;
  const std::string name = KeysName(model_.name);
  const auto found = std::ranges::find(seen_.config_maps, name,
                                       [](const api::ConfigMap& config) { return config.meta.name; });
  if (found == seen_.config_maps.end()) {
    decision_.actions.emplace_back(Create{Kind::kConfigMap, name, RenderKeys(model_, keys)});
  } else if (!found->meta.deleting && found->keys != keys) {
    decision_.actions.emplace_back(Repair{Kind::kConfigMap, name, found->meta.uid, RenderKeys(model_, keys)});
  }
}

// With one pod a budget would only keep nodes from being drained.
void Planner::KeepBudget() {
  const bool there = seen_.budget && !seen_.budget->meta.deleting;
  if (wanted_ <= 1) {
    if (there)
      decision_.actions.emplace_back(
          Delete{Kind::kDisruptionBudget, model_.name, seen_.budget->meta.uid, {}});
    return;
  }
  if (!seen_.budget) {
    decision_.actions.emplace_back(
        Create{Kind::kDisruptionBudget, model_.name, RenderDisruptionBudget(model_)});
  } else if (there && (seen_.budget->selector != ServingLabels(model_.name) ||
                       seen_.budget->max_unavailable != MostUnavailable(model_.spec))) {
    decision_.actions.emplace_back(
        Repair{Kind::kDisruptionBudget, model_.name, seen_.budget->meta.uid, RenderDisruptionBudget(model_)});
  }
}

// The newest few are kept for going back without a new proof.
void Planner::ForgetOldRevisions() {
  const auto in_use = [&](const std::string& revision) {
    return revision == stable_ || revision == target_ || revision == next_.candidate_revision ||
           revision == KeysName(model_.name);
  };
  std::vector<const api::ReplicaSet*> old;
  std::set<std::string> kept;
  for (const api::ReplicaSet& rs : seen_.replica_sets) {
    kept.insert(rs.meta.name);
    const bool empty = rs.replicas == 0 && rs.current_replicas == 0 && rs.traffic == kTrafficNone;
    if (!rs.meta.deleting && empty && !in_use(rs.meta.name)) old.push_back(&rs);
  }
  std::ranges::sort(old, std::ranges::greater(),
                    [](const api::ReplicaSet* rs) { return std::pair(rs->meta.created, rs->meta.name); });
  for (std::size_t i = static_cast<std::size_t>(model_.spec.rollout.revision_history_limit); i < old.size();
       ++i) {
    kept.erase(old[i]->meta.name);
    decision_.actions.emplace_back(
        Delete{Kind::kReplicaSet, old[i]->meta.name, old[i]->meta.uid, old[i]->meta.resource_version});
  }
  for (const api::ConfigMap& config : seen_.config_maps) {
    if (config.meta.deleting || in_use(config.meta.name) || kept.contains(config.meta.name)) continue;
    decision_.actions.emplace_back(Delete{Kind::kConfigMap, config.meta.name, config.meta.uid, {}});
  }
}

}  // namespace pilotlight::plan
