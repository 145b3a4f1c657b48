#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "operator/api/status.h"

// What a sidecar says of itself at its admin port (docs/sidecar.md, the status document), or why it could not
// be asked.
//
// Thread-safety: plain values.
namespace pilotlight::api {

struct Report {
  // Not empty: the sidecar could not be asked, and the fields from `phase` on mean nothing. Holds no address.
  std::string error;
  // Since when it could not be asked.
  std::optional<Time> unreachable_since;
  // The container that answered: a report of one that has ended proves nothing about its successor.
  std::string container_id;

  std::string pod_uid;
  std::string revision;
  std::string phase;
  bool ready = false;
  bool final = false;
  std::string digest;
  std::int64_t attempt = 1;  // at fetching
  std::int64_t bytes_fetched = 0;
  std::int64_t bytes_total = 0;
  std::optional<Failure> failure;
  nlohmann::json proof;  // null: none
  // Why the last golden re-check failed, if it did: the pod serves all the same.
  std::optional<Failure> recheck_failure;

  friend bool operator==(const Report&, const Report&) = default;
};

}  // namespace pilotlight::api
