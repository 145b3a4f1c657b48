#pragma once

#include <ATen/core/Tensor.h>

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "sidecar/engine/run_error.h"
#include "sidecar/engine/signature.h"
#include "sidecar/wire/load_request.h"

namespace pilotlight::engine {

// What a model returned, flattened.
struct Outputs {
  std::vector<at::Tensor> tensors;
  std::vector<std::string> names;  // a dictionary's keys; else empty
};

// A loaded model of one format; Model is the only one who holds it. Not thread-safe: one inference at a time.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  [[nodiscard]] virtual const Signature& signature() const = 0;

  // The same model with another form of its graph; null if it cannot be given that. This one may give up what
  // it holds for the other's sake, and has it back when it is run or kept.
  [[nodiscard]] virtual std::unique_ptr<Backend> with_graph(wire::Graph) { return nullptr; }

  // This form will serve, and the file that it was read from will not be there any more.
  virtual std::expected<void, RunError> keep() { return {}; }

  virtual std::expected<Outputs, RunError> run(const std::vector<at::Tensor>& inputs) = 0;
};

}  // namespace pilotlight::engine
