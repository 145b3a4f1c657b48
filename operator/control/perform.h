#pragma once

#include <expected>
#include <stop_token>
#include <string>

#include "operator/api/model_deployment.h"
#include "operator/control/stores.h"
#include "operator/kube/error.h"
#include "operator/plan/decision.h"

namespace pilotlight::kube {
class Client;
class EventRecorder;
class WriteGate;
}  // namespace pilotlight::kube

// Carries out what was decided.
//
// Every write is safe to repeat and safe against a second operator: creations have fixed names, changes name
// the UID that they are meant for. Thread-safety: all members may be called from any thread.
namespace pilotlight::control {

struct PerformError {
  kube::Error cause;
  // What of it belongs into the status; none for what passes by itself (conflicts, an API server that is
  // away).
  std::optional<plan::Problem> problem;
};

class Performer {
 public:
  // All of them must outlive the performer.
  Performer(kube::Client& client, kube::EventRecorder& events, kube::WriteGate& gate, Stores stores,
            Resources resources);

  std::expected<void, PerformError> WriteStatus(const api::ModelDeployment& model, const api::Status& status,
                                                const std::stop_token& stop);
  std::expected<void, PerformError> Perform(const api::ModelDeployment& model, const plan::Action& action,
                                            const std::stop_token& stop);
  // Whether `model` has that ReplicaSet, and it is one that is watched: by the API server's word.
  std::expected<bool, PerformError> HasReplicaSet(const api::ModelDeployment& model, const std::string& name,
                                                  const std::stop_token& stop);

 private:
  struct Place;
  Place PlaceOf(plan::Kind kind) const;
  // What the API server itself says of an object.
  struct Live;
  std::expected<Live, PerformError> Read(const kube::Resource& resource, const api::ModelDeployment& model,
                                         const std::string& name, const std::stop_token& stop);

  std::expected<void, PerformError> Do(const api::ModelDeployment& model, const plan::EmitEvent& event,
                                       const std::stop_token& stop);
  std::expected<void, PerformError> Do(const api::ModelDeployment& model, const plan::Create& create,
                                       const std::stop_token& stop);
  std::expected<void, PerformError> Do(const api::ModelDeployment& model,
                                       const plan::ChangeReplicaSet& change, const std::stop_token& stop);
  std::expected<void, PerformError> Do(const api::ModelDeployment& model, const plan::Repair& repair,
                                       const std::stop_token& stop);
  std::expected<void, PerformError> Do(const api::ModelDeployment& model, const plan::LabelPod& label,
                                       const std::stop_token& stop);
  std::expected<void, PerformError> Do(const api::ModelDeployment& model, const plan::Delete& remove,
                                       const std::stop_token& stop);
  std::expected<void, PerformError> TakeOver(const api::ModelDeployment& model, const plan::Create& create,
                                             const std::stop_token& stop);

  kube::Client& client_;
  kube::EventRecorder& events_;
  kube::WriteGate& gate_;
  const Stores stores_;
  const Resources resources_;
};

}  // namespace pilotlight::control
