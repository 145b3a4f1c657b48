#pragma once

#include <cstdint>
#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/wire/contract.h"
#include "sidecar/wire/model_format.h"

namespace pilotlight::wire {

// How far a model has been proven; each includes those before it.
enum class ProofLevel {
  kLoaded,    // it loads
  kContract,  // names, datatypes and shapes hold, and the outputs are finite
  kAnswers,   // the golden cases pass
};

std::string_view proof_level_name(ProofLevel level);
std::optional<ProofLevel> proof_level_from_name(std::string_view name);

// What an inference whose outputs hold NaN or infinity is answered with.
enum class NonFinite { kPass, kRefuse };

// The forms that a model's graph can be given; each further from what its author wrote than the one before,
// and mostly faster.
enum class Graph {
  kPlain,      // as it was written
  kFrozen,     // parameters folded into it
  kOptimized,  // laid out for the machine's vector units as well
};

std::string_view graph_name(Graph graph);
std::optional<Graph> graph_from_name(std::string_view name);

// The document of a kLoad packet. Its fields are those of config.json, with the same names, so that the front
// can hand on what it read:
//
//   {"digest": "sha256:9f…", "pinned": false, "model": {"format": "ONNX"},
//    "contract": {"inputs": […], "outputs": […]},
//    "validation": {"absoluteTolerance": 1e-4, "relativeTolerance": 1e-4, "minimumLevel": "Loaded",
//                   "nonFinite": "Pass"},
//    "warmup": {"batchSizes": [1, 8], "timeoutSeconds": 300},
//    "runtime": {"threads": 2, "graph": "optimized", "withoutGraphs": []}}
//
// All may be left out; unknown ones are passed over. The descriptors that come with it are the model's file
// and, to `serve` only, the arena, in this order.
struct LoadRequest {
  std::string digest;                        // of the file, as the front measured it; goes into the proof
  std::optional<ModelFormat> format;         // the one that the file must have; absent: whatever it is
  bool pinned = false;                       // then a failed proof is the pod's fault, not the revision's
  std::optional<Contract> contract;          // the user's; it replaces the bundle's
  std::optional<double> absolute_tolerance;  // the user's; it goes before the bundle's
  std::optional<double> relative_tolerance;
  ProofLevel minimum_level = ProofLevel::kLoaded;
  NonFinite non_finite = NonFinite::kPass;
  std::vector<std::int64_t> warmup_batch_sizes;  // empty: 1
  double warmup_timeout_seconds = 300;           // for all batch sizes together; not an error when it passes
  std::int64_t threads = 0;                      // 0: as many as the cgroup's quota allows
  std::optional<Graph> graph;         // the one to serve, if it passes; absent: the fastest that does
  std::vector<Graph> without_graphs;  // not to be tried: an engine has not come back from them

  bool operator==(const LoadRequest&) const = default;
};

nlohmann::json to_json(const LoadRequest& request);

// The error names the field and what it must be.
std::expected<LoadRequest, std::string> load_request_from_json(const nlohmann::json& document);

}  // namespace pilotlight::wire
