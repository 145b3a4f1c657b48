#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/status.h"

// What the operator keeps of the objects that it makes and watches: the fields that it decides by, and no
// others.
//
// Thread-safety: plain values.
namespace pilotlight::api {

struct ChildMeta {
  std::string name;
  std::string ns;
  std::string uid;
  std::string resource_version;
  std::string owner_uid;   // of the controller; empty: nobody's
  std::string owner_name;  // of the same
  std::string instance;    // label app.kubernetes.io/instance
  std::string revision;    // label pilotlight.dev/revision
  Time created;
  bool deleting = false;
};

struct ConfigMap {
  ChildMeta meta;
  // Those of its data that end in ".pem": the operator's public keys, where it holds such.
  std::map<std::string, std::string> keys;
};

struct ReplicaSet {
  ChildMeta meta;
  std::int64_t replicas = 0;          // wanted
  std::int64_t current_replicas = 0;  // there, ready or not
  std::string traffic;                // of the template
  std::string digest;                 // of the template: the pin; empty: none
  std::string config;                 // its copy of its ConfigMap's data, as JSON; empty: none
  std::string failure_reason;         // condition ReplicaFailure, e.g. FailedCreate
  std::string failure_message;
};

struct Pod {
  ChildMeta meta;
  std::string traffic;
  std::string digest;  // its own pin
  std::string ip;
  std::string node;
  std::string phase;            // Pending, Running, Succeeded, Failed, Unknown
  std::string reason;           // of a failed pod, e.g. Evicted
  std::string message;          // of the same
  bool scheduled = true;        // false: condition PodScheduled is False
  std::string unscheduled_why;  // its message
  bool ready = false;
  std::optional<Time> ready_since;
  // The serving container.
  std::string container_id;
  bool running = false;
  std::optional<Time> started;
  std::string waiting_reason;  // e.g. ImagePullBackOff
  std::string waiting_message;
  std::string last_exit_reason;  // of its last end, e.g. OOMKilled
  std::int64_t last_exit_code = 0;
  std::string last_exit_message;  // the termination message
  std::int64_t restarts = 0;
};

struct Service {
  ChildMeta meta;
  nlohmann::json selector;  // an object of strings
  nlohmann::json ports;     // normalised: [{name, port, targetPort, protocol}]
};

struct DisruptionBudget {
  ChildMeta meta;
  nlohmann::json selector;         // matchLabels
  nlohmann::json max_unavailable;  // a number or text
};

// The endpoints of a Service that are ready, by the UID of their pod.
struct Endpoints {
  ChildMeta meta;
  std::vector<std::string> ready_pods;
};

}  // namespace pilotlight::api
