#include "sidecar/engine/agreement.h"

#include <format>
#include <utility>

#include "sidecar/engine/outputs.h"
#include "sidecar/engine/tolerance.h"

namespace pilotlight::engine {

Outcome<std::vector<at::Tensor>> Agreement::answers(Model& model) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& each : inputs_) copies.push_back(each.clone());
  auto answer = model.run(copies);
  if (!answer) return refuse("LoadFailed", std::move(answer).error().reason, "");
  auto arranged = arrange_outputs(*std::move(answer), contract_, batch_of(contract_, inputs_));
  if (!arranged) return refuse("InvalidContract", std::move(arranged).error(), "");
  return *std::move(arranged);
}

Outcome<void> Agreement::check(Model& model, wire::Graph graph) {
  if (inputs_.empty()) return {};
  const auto actual = answers(model);
  if (graph == wire::Graph::kPlain) {
    plain_.emplace();
    if (!actual) return {};  // inputs made from a contract need not suit the model
    // The model may keep what it returned, and write into it.
    for (const at::Tensor& each : *actual) plain_->push_back(each.clone());
    return {};
  }
  if (!plain_) return {};
  if (!actual) return std::unexpected(actual.error());
  if (plain_->size() != actual->size())
    return refuse("GoldenMismatch", "there is nothing to compare it with", "");
  for (std::size_t i = 0; i < actual->size(); ++i) {
    const at::Tensor& expected = (*plain_)[i];
    if ((*actual)[i].sizes() != expected.sizes()) return refuse("GoldenMismatch", "another shape", "");
    const auto type = contract_.outputs[i].datatype.value_or(wire::Datatype::kFp32);
    const Deviation worst =
        compare((*actual)[i], expected, scale_of(expected), tolerance_for(type, request_, {}));
    if (worst.passes()) continue;
    return refuse(
        "GoldenMismatch",
        std::format("answers {:.7g} where the model as written answers {:.7g}", worst.actual, worst.expected),
        "");
  }
  return {};
}

}  // namespace pilotlight::engine
