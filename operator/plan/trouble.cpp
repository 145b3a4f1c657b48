#include "operator/plan/trouble.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace pilotlight::plan {
namespace {

using api::Pod;
using api::Report;

constexpr char kUnschedulable[] = "Unschedulable";
constexpr char kPodsRefused[] = "PodsRefused";

Trouble Wrong(std::string reason, std::string message) {
  return {std::move(reason), std::move(message), true};
}

std::string Because(const std::string& why) {
  return why.empty() ? std::string() : ": " + why;
}

// A revision keeps the image that it was born with.
constexpr char kMakeAvailable[] =
    "let the nodes have the sidecar's image (template.imagePullSecrets if its registry is private); or start "
    "the "
    "operator with another --sidecar-image and change an annotation of template, as only a new revision "
    "takes it";

// What Kubernetes says while a container waits, and what to do about it.
struct Waiting {
  std::string_view reason;
  std::string_view remedy;
  bool for_image = false;
};
constexpr std::array kWaiting = {
    Waiting{"ErrImagePull", kMakeAvailable, true},
    Waiting{"ImagePullBackOff", kMakeAvailable, true},
    Waiting{"ErrImageNeverPull", kMakeAvailable, true},
    Waiting{"InvalidImageName",
            "start the operator with a --sidecar-image that is a name, and change an annotation of template"},
    Waiting{"CreateContainerConfigError", "create what is missing, or correct template"},
    Waiting{"CreateContainerError", "see kubectl describe pod"},
    Waiting{"RunContainerError", "see kubectl describe pod"},
};

std::optional<Trouble> FromReport(const Pod& pod, const Report& report, const Settings& settings,
                                  api::Time now) {
  if (!report.error.empty()) {
    const bool late = report.unreachable_since && pod.started &&
                      now - std::max(*report.unreachable_since, *pod.started) >= settings.sidecar_grace;
    if (!late) return std::nullopt;
    return Wrong("SidecarUnreachable",
                 "the operator cannot reach the admin port (8081) of pod " + pod.meta.name + ": " +
                     report.error + "; if a NetworkPolicy is in force, let the operator's namespace in");
  }
  if (report.failure)
    return Wrong(report.failure->reason, "pod " + pod.meta.name + ": " + Explain(*report.failure));
  if (report.phase.empty()) return std::nullopt;
  return Trouble{.reason = report.phase,
                 .message = "pod " + pod.meta.name + " is at this step",
                 .again = report.phase == "Fetching" && report.attempt > 1};
}

// A container that ended and is not running again yet, or ended of something that tells more than its
// successor.
std::optional<Trouble> FromLastExit(const Pod& pod) {
  if (pod.restarts == 0 || pod.ready) return std::nullopt;
  const std::string last = pod.last_exit_message.empty() ? "exit code " + std::to_string(pod.last_exit_code)
                                                         : pod.last_exit_message;
  if (pod.last_exit_reason == "OOMKilled") {
    return Wrong("OutOfMemory", "pod " + pod.meta.name + " ran out of memory (" + last +
                                    "); raise template.resources.limits.memory");
  }
  if (pod.running) return std::nullopt;
  return Wrong("SidecarCrashed", "the sidecar in pod " + pod.meta.name + " has ended " +
                                     std::to_string(pod.restarts) + " times (" + last +
                                     "); see kubectl logs " + pod.meta.name + " --previous");
}

}  // namespace

bool IsForWantOfRoom(const Trouble& trouble) {
  return trouble.reason == kUnschedulable || trouble.reason == kPodsRefused ||
         std::ranges::any_of(kWaiting,
                             [&](const Waiting& w) { return w.for_image && w.reason == trouble.reason; });
}

std::string Explain(const api::Failure& failure) {
  if (failure.remedy.empty()) return failure.message;
  if (failure.message.empty()) return failure.remedy;
  return failure.message + ". " + failure.remedy;
}

Trouble WhatAils(const Pod& pod, const Report* report, const Settings& settings, api::Time now) {
  if (pod.phase == "Failed") {
    return Wrong(pod.reason.empty() ? "PodFailed" : pod.reason,
                 "pod " + pod.meta.name + " was ended by its node" + Because(pod.message) +
                     "; another takes its place");
  }
  if (!pod.scheduled) {
    return Wrong(kUnschedulable, "no node takes pod " + pod.meta.name + Because(pod.unscheduled_why) +
                                     "; add room, or ask for less in template.resources");
  }
  for (const auto& [reason, remedy, for_image] : kWaiting) {
    if (pod.waiting_reason == reason) {
      return Wrong(pod.waiting_reason,
                   "pod " + pod.meta.name + Because(pod.waiting_message) + "; " + std::string(remedy));
    }
  }
  if (pod.running && report != nullptr) {
    if (auto told = FromReport(pod, *report, settings, now)) return *told;
  }
  if (auto crashed = FromLastExit(pod)) return *crashed;
  if (pod.node.empty()) return {"Scheduling", "pod " + pod.meta.name + " waits for a node"};
  if (!pod.running) {
    if (now - pod.meta.created < std::chrono::minutes(1)) {
      return {"ContainerCreating", "pod " + pod.meta.name + " is being set up on its node"};
    }
    return Wrong("ContainerCreating", "pod " + pod.meta.name +
                                          " is not set up on its node yet: a volume or Secret that it mounts "
                                          "may be missing, or its image is "
                                          "still on the way; kubectl describe pod " +
                                          pod.meta.name + " tells which");
  }
  return {"Starting", "pod " + pod.meta.name + " is starting"};
}

std::optional<Trouble> WhatAils(const api::ReplicaSet& replica_set) {
  if (replica_set.failure_reason.empty()) return std::nullopt;
  return Wrong(kPodsRefused, "Kubernetes refuses the pods" + Because(replica_set.failure_message) +
                                 "; raise the quota or change template");
}

}  // namespace pilotlight::plan
