#pragma once

#include <optional>
#include <string>

#include "operator/plan/observed.h"

// Why a pod is not ready yet, as a reason for programs and a message for people that says what to do.
//
// Thread-safety: no state.
namespace pilotlight::plan {

struct Trouble {
  std::string reason;
  std::string message;
  // False: on its way, nothing is wrong.
  bool wrong = false;
  // On its way once more, after something was wrong: that is still the thing to tell.
  bool again = false;
};

// `report` may be null. docs/failures.md lists every reason.
Trouble WhatAils(const api::Pod& pod, const api::Report* report, const Settings& settings, api::Time now);

// The same for a ReplicaSet whose pods are refused. None: they are not.
std::optional<Trouble> WhatAils(const api::ReplicaSet& replica_set);

// Whether it is Kubernetes that has no room for the pod, or no image: nothing that the revision could be
// blamed for.
bool IsForWantOfRoom(const Trouble& trouble);

// "message (remedy)".
std::string Explain(const api::Failure& failure);

}  // namespace pilotlight::plan
