#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/status.h"

// What a ModelDeployment says of its rollout, for people; and the changes of its spec that steer it. All of
// it can be done with plain kubectl, too (docs/rollouts.md).
//
// Thread-safety: no state. Objects are as the API server gives them; what is missing of them reads as absent.
namespace pilotlight::plugin {

enum class Outcome {
  kPending,
  kAccepted,
  kRejected,  // it will not come by itself
};

struct Answer {
  Outcome outcome = Outcome::kPending;
  std::string why;  // what is waited for, why it was rejected, or what holds
};

// Whether condition `type` holds for the spec as it is now. A rollout that is paused, for whatever reason, is
// pending: it goes on when somebody lets it, or when there are requests, or room.
Answer answer_of(const nlohmann::json& object, std::string_view type);

// A tree: the model, its revisions that have pods or a part in the rollout, how far a canary is and what was
// counted of it, and what is waited for.
// `replica_sets` are the items of a List.
std::string status_text(const nlohmann::json& object, const nlohmann::json& replica_sets, api::Time now);

// A table of the revisions, the newest first. `config_maps` are the items of a List, which say what each was.
std::string history_text(const nlohmann::json& object, const nlohmann::json& config_maps, api::Time now);

// Merge patches of the ModelDeployment. abort throws std::runtime_error if there is no candidate, promote if
// there is none that goes by steps, retry if nothing has failed. `token` is any text that was not there
// before.
nlohmann::json abort_patch(const nlohmann::json& object);
nlohmann::json promote_patch(const nlohmann::json& object);
nlohmann::json retry_patch(const nlohmann::json& object, const std::string& token);
nlohmann::json pause_patch(bool paused);

// The revision to go back to: `wanted`; or, if that is empty, the newest proven one that spec does not ask
// for. Throws std::runtime_error if there is none, or it failed.
std::string rollback_target(const nlohmann::json& object, const nlohmann::json& config_maps,
                            const std::string& wanted);
// The JSON patch (RFC 6902) that makes spec what it was in `config_map`, if the object has not changed
// meanwhile.
nlohmann::json rollback_patch(const nlohmann::json& object, const nlohmann::json& config_map);

// Who else writes this object's spec, and would undo a change of it: "Argo CD", "Flux", or nobody.
std::string_view other_manager(const nlohmann::json& object);

}  // namespace pilotlight::plugin
