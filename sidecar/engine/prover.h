#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/engine/device/device.h"
#include "sidecar/engine/drift.h"
#include "sidecar/engine/golden.h"
#include "sidecar/engine/model.h"
#include "sidecar/engine/warmup.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::engine {

// One form of the graph, tried.
struct GraphTrial {
  wire::Graph graph = wire::Graph::kPlain;
  double milliseconds = 0;  // of a run on a golden case; infinite if it was not to be measured
  std::string refused;      // why it is not used
};

// What a model has shown, for the `proof` part of the status document.
struct Proof {
  wire::ProofLevel level = wire::ProofLevel::kLoaded;
  std::string digest;
  GoldenReport golden;  // with level kAnswers
  std::vector<Warmth> warmup;
  int threads = 1;
  std::string device = "cpu";
  std::optional<Device::Memory> device_memory;  // once the model was warm
  wire::Graph graph = wire::Graph::kPlain;      // that passed, and serves
  std::vector<GraphTrial> graphs;
  ModelFormat format = ModelFormat::kTorchScript;
  std::optional<Exporter> exporter;  // if the file says
  std::vector<Drift> drift;
  std::vector<std::string> sandbox;  // its layers that held
  std::vector<std::string> warnings;
};

nlohmann::json to_json(const Proof& proof);

// A model that may serve.
struct Proven {
  Model model;
  wire::Contract contract;
  Bundle bundle;  // lies in the file's bytes
  Proof proof;
  double load_seconds = 0;   // opening and loading
  double check_seconds = 0;  // golden cases, contract
  double warm_seconds = 0;
};

struct Proving {
  std::span<const std::byte> file;
  const wire::LoadRequest& request;
  int library = -1;  // sandbox::create_library, for machine code; -1: none is loaded
  bool for_traffic;  // serve: warm up until steady; check: one run of each batch size is enough
  Clock clock;
  std::function<void(std::string_view)> enter_phase;  // Loading, Checking or Warming, before it starts
  // Before a form of the graph is tried: the engine has hung if the next is not heard of within so many
  // seconds.
  std::function<void(wire::Graph, std::optional<double> within_seconds)> try_graph;
  Device* device = nullptr;  // where models compute whose format can; it must outlive them
};

// Opens, loads, checks and warms. Everything a bad model can do to us, short of crashing, comes back as a
// Fault. Throws DeviceFailed.
Outcome<Proven> prove(const Proving& proving);

// Whether `exporter` ("2.7.1+cu126") is of a newer minor release than `runtime`. What cannot be read is not
// newer.
bool is_newer(std::string_view exporter, std::string_view runtime);

}  // namespace pilotlight::engine
