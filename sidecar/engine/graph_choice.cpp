#include "sidecar/engine/graph_choice.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "common/text/printable.h"

namespace pilotlight::engine {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The least of a few runs: whatever else the machine does only adds to it. The first two compile.
double milliseconds_of(Model& model, const std::vector<at::Tensor>& inputs, const Clock& clock) {
  constexpr int kRuns = 6;
  constexpr int kCompiling = 2;
  double least = kNever;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<at::Tensor> copies;
    for (const at::Tensor& each : inputs) copies.push_back(each.clone());
    const auto start = clock();
    if (!model.run(copies)) return kNever;
    const std::chrono::duration<double, std::milli> took = clock() - start;
    if (run >= kCompiling) least = std::min(least, took.count());
  }
  return least;
}

// How long another form may take, where the plain one took `plain`: compiling included, and a machine that
// has more to do by then.
double allowance_seconds(std::chrono::steady_clock::duration plain) {
  return 10 + 10 * std::chrono::duration<double>(plain).count();
}

// Nothing if the form cannot be made or does not pass; `refused` then says why.
std::optional<Chosen> make(Model& plain, wire::Graph graph, const Proof& proof, const CheckGraph& check,
                           std::string& refused) {
  auto model = plain.with_graph(graph);
  if (!model) {
    refused = "this model cannot be given it";
    return std::nullopt;
  }
  Chosen made{.model = *std::move(model), .proof = proof};
  made.proof.graph = graph;
  if (auto result = check(made.model, made.proof); !result) {
    refused = Printable(result.error().message, 200);
    return std::nullopt;
  }
  return made;
}

// Those that a model's graph has in its format besides the one as written.
std::vector<wire::Graph> other_forms(ModelFormat format) {
  switch (format) {
    case ModelFormat::kTorchScript:
      return {wire::Graph::kFrozen, wire::Graph::kOptimized};
    case ModelFormat::kOnnx:
      return {wire::Graph::kOptimized};
    case ModelFormat::kAotInductor:
      return {};  // it was optimised when it was compiled
  }
  std::unreachable();
}

bool tried_in_vain(const wire::LoadRequest& request, wire::Graph graph) {
  return std::ranges::find(request.without_graphs, graph) != request.without_graphs.end();
}

}  // namespace

Outcome<Chosen> choose_graph(Model plain, const Proof& proof, const Proving& proving, const CheckGraph& check,
                             const std::vector<at::Tensor>& inputs) {
  const wire::LoadRequest& request = proving.request;
  std::vector<GraphTrial> trials;
  std::string refused;
  if (request.graph && *request.graph != wire::Graph::kPlain && !tried_in_vain(request, *request.graph)) {
    proving.try_graph(*request.graph, std::nullopt);
    if (auto made = make(plain, *request.graph, proof, check, refused)) return *std::move(made);
    proving.try_graph(wire::Graph::kPlain, std::nullopt);
    trials.push_back({.graph = *request.graph, .milliseconds = kNever, .refused = refused});
  }

  Proof as_written = proof;
  const auto started = proving.clock();
  if (auto result = check(plain, as_written); !result) return std::unexpected(std::move(result).error());
  const double allowance = allowance_seconds(proving.clock() - started);
  std::optional<Chosen> chosen;
  if (!request.graph && !inputs.empty()) {
    // A tie goes to what is nearer to the author's.
    constexpr double kClearly = 0.95;
    double best = milliseconds_of(plain, inputs, proving.clock);
    trials.push_back({.graph = wire::Graph::kPlain, .milliseconds = best, .refused = {}});
    for (const wire::Graph graph : other_forms(proof.format)) {
      if (tried_in_vain(request, graph)) {
        trials.push_back({.graph = graph, .milliseconds = kNever, .refused = "it did not come back"});
        continue;
      }
      proving.try_graph(graph, allowance);
      auto made = make(plain, graph, proof, check, refused);
      const double taken = made ? milliseconds_of(made->model, inputs, proving.clock) : kNever;
      trials.push_back({.graph = graph, .milliseconds = taken, .refused = made ? "" : refused});
      if (!(taken < kClearly * best)) continue;
      best = taken;
      chosen = std::move(made);
    }
    proving.try_graph(chosen ? chosen->proof.graph : wire::Graph::kPlain, std::nullopt);
  }
  if (!chosen) chosen = Chosen{.model = std::move(plain), .proof = std::move(as_written)};
  if (auto kept = chosen->model.keep(); !kept) {
    return refuse(kept.error().kind == RunError::Kind::kOutOfMemory ? "OutOfMemory" : "LoadFailed",
                  kept.error().reason, "Give the pod more memory (template: resources.limits.memory).");
  }
  chosen->proof.graphs = std::move(trials);
  return *std::move(chosen);
}

}  // namespace pilotlight::engine
