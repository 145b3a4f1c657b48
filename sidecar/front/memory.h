#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "sidecar/front/status.h"

namespace pilotlight::front {

// What outlives the front in its pod: the verdict so far on the scratch volume, and the termination message,
// which the kubelet reads when the container has ended. Written before each step that may kill the container.
// Errors are logged and otherwise borne: a front that cannot remember still serves.
class Memory {
 public:
  struct Verdict {
    Phase phase = Phase::kStarting;  // where the earlier life was when it last wrote
    std::string checked;             // the digest of the bytes that have passed the check
    std::string graph;               // the form that was the fastest there
    nlohmann::json graphs;           // what was found about each there; null: nothing
    std::string trying;              // the form that an engine was at; empty: none
    std::optional<wire::Failure> final_failure;
    int attempt = 1;
  };

  // Empty paths: nothing is remembered, nothing is written.
  Memory(const std::filesystem::path& folder, std::filesystem::path termination_log, std::string key);

  // The verdict of an earlier life of the same pod on the same revision and pin; nothing otherwise.
  std::optional<Verdict> recall() const;
  void remember(const Verdict& verdict) const;
  // Replaces the termination message.
  void last_words(const std::string& text) const;

 private:
  std::filesystem::path file_;
  std::filesystem::path termination_log_;
  std::string key_;  // of pod, revision and pin
};

}  // namespace pilotlight::front
