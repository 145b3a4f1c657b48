#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "sidecar/front/timers.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::front {

// The form of the model's graph that an engine is trying. LibTorch's own passes over a graph may crash, need
// more memory than there is, or never come back; no model is to blame for that, and the engine is started
// again without that form. Runs on the loop's thread.
class GraphTrial {
 public:
  // `hangs` is called when the engine takes longer with a form than it said it would, with words for it.
  GraphTrial(Timers& timers, std::function<void(std::string)> hangs);

  // What the engine tells before each form: {"graph": "optimized", "withinSeconds": 12}.
  void heard(const nlohmann::json& progress);

  // Nothing: none is being tried.
  std::optional<wire::Graph> at() const { return at_; }

  // The engine has brought it to an end, or is no more.
  void over();

  // To be asked when an engine has ended without a word of its own: whether it was at another form than the
  // plain one. That form is then not asked for any more.
  bool blamed(wire::LoadRequest& request);
  // As blamed(), of an engine of an earlier life.
  static bool blamed(wire::LoadRequest& request, wire::Graph at);

 private:
  Timers& timers_;
  std::function<void(std::string)> hangs_;
  std::optional<wire::Graph> at_;
  Timers::Handle clock_;
};

}  // namespace pilotlight::front
