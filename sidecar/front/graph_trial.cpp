#include "sidecar/front/graph_trial.h"

#include <algorithm>
#include <format>
#include <nlohmann/json.hpp>
#include <utility>

namespace pilotlight::front {

GraphTrial::GraphTrial(Timers& timers, std::function<void(std::string)> hangs)
    : timers_(timers), hangs_(std::move(hangs)) {}

void GraphTrial::heard(const nlohmann::json& progress) {
  const auto name = progress.find("graph");
  if (name == progress.end() || !name->is_string()) return;
  at_ = wire::graph_from_name(name->get_ref<const std::string&>());
  clock_.reset();
  const auto within = progress.find("withinSeconds");
  if (within == progress.end() || !within->is_number()) return;
  // An engine may say anything; the phase has a limit of its own.
  const std::chrono::duration<double> limit(std::clamp(within->get<double>(), 0.0, 86'400.0));
  clock_ = timers_.after(limit, [this, limit] {
    hangs_(std::format("the {} form of the graph did not come back within {:.3g} s",
                       at_ ? wire::graph_name(*at_) : "unknown", limit.count()));
  });
}

void GraphTrial::over() {
  at_.reset();
  clock_.reset();
}

bool GraphTrial::blamed(wire::LoadRequest& request) {
  const auto graph = at_.value_or(wire::Graph::kPlain);
  over();
  return blamed(request, graph);
}

bool GraphTrial::blamed(wire::LoadRequest& request, wire::Graph graph) {
  if (graph == wire::Graph::kPlain) return false;
  if (std::ranges::find(request.without_graphs, graph) != request.without_graphs.end()) return false;
  request.without_graphs.push_back(graph);
  if (request.graph == graph) request.graph = wire::Graph::kPlain;
  return true;
}

}  // namespace pilotlight::front
