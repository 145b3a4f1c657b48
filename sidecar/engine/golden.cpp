#include "sidecar/engine/golden.h"

#include <torch/torch.h>

#include <cmath>
#include <format>
#include <utility>

#include "sidecar/engine/outputs.h"
#include "sidecar/engine/tensors.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::engine {
namespace {

using Tensors = std::vector<at::Tensor>;

Outcome<Tensors> tensors_of(const StoredTensors& stored, const std::vector<wire::TensorSpec>& specs,
                            const std::string& where) {
  Tensors tensors;
  for (const wire::TensorSpec& spec : specs) {
    const auto found = stored.find(spec.name);
    if (found == stored.end()) {
      return invalid_bundle(where + " lack \"" + spec.name + "\", which the contract names");
    }
    const StoredTensor& tensor = found->second;
    if ((spec.datatype && *spec.datatype != tensor.datatype) || !wire::fits(spec, tensor.shape)) {
      return invalid_bundle(where + ": \"" + spec.name + "\" is " +
                                std::string(wire::datatype_name(tensor.datatype)) + " " +
                                wire::shape_text(tensor.shape) + "; the contract says " +
                                std::string(spec.datatype ? wire::datatype_name(*spec.datatype) : "") + " " +
                                (spec.shape ? wire::shape_text(*spec.shape) : ""),
                            "Correct the contract, or export the bundle again.");
    }
    tensors.push_back(copy_in(tensor));
  }
  if (stored.size() != specs.size()) {
    return invalid_bundle(where + " hold " + std::to_string(stored.size()) + " tensors; the contract names " +
                          std::to_string(specs.size()));
  }
  return tensors;
}

Fault threw(const RunError& error, const std::string& where) {
  if (error.kind == RunError::Kind::kOutOfMemory) {
    return {.reason = "OutOfMemory",
            .message = "memory ran out in " + where,
            .remedy = "Give the pod more memory (template: resources.limits.memory)."};
  }
  return {.reason = "LoadFailed",
          .message = where + ": the model failed: " + error.reason,
          .remedy = "Run the exported model on this golden case in Python, and export it again."};
}

// Checks one case; keeps what is the same for all of its runs.
class Case {
 public:
  Case(Model& model, const wire::Contract& contract, const GoldenCase& golden,
       const wire::LoadRequest& request, const Manifest& manifest)
      : model_(model), contract_(contract), name_("case " + golden.name), case_(golden.name) {
    for (const wire::TensorSpec& spec : contract.outputs) {
      tolerances_.push_back(tolerance_for(spec.datatype.value_or(wire::Datatype::kFp32), request, manifest));
    }
  }

  Outcome<void> check(const GoldenCase& golden, GoldenReport& report) {
    auto inputs = inputs_of(golden, contract_);
    if (!inputs) return std::unexpected(std::move(inputs).error());
    auto expected = tensors_of(golden.outputs, contract_.outputs, name_ + ": its outputs");
    if (!expected) return std::unexpected(std::move(expected).error());
    for (const at::Tensor& each : *expected) scales_.push_back(scale_of(each));
    for (const std::string& run : {name_, name_ + ", second run"}) {
      if (auto result = once(*inputs, *expected, run, report); !result) return result;
    }
    return rows_alone(*inputs, *expected, report);
  }

 private:
  Outcome<void> rows_alone(const Tensors& inputs, const Tensors& expected, GoldenReport& report) {
    const auto batch = batch_of(contract_, inputs);
    if (!batch || *batch < 2) return {};
    for (std::int64_t row = 0; row < *batch; ++row) {
      const auto take = [row](const Tensors& from) {
        Tensors rows;
        for (const at::Tensor& each : from) rows.push_back(each.narrow(0, row, 1).clone());
        return rows;
      };
      auto result =
          once(take(inputs), take(expected), std::format("{}, row {} run alone", name_, row), report);
      if (!result) {
        result.error().remedy =
            "The contract says that the first dimension is a batch, but an answer depends on its neighbours "
            "or "
            "on the batch's size. Export the model in evaluation mode, or give the contract a fixed shape.";
        return result;
      }
    }
    return {};
  }

  Outcome<void> once(const Tensors& inputs, const Tensors& expected, const std::string& where,
                     GoldenReport& report) {
    // The model gets copies: it may write into its inputs.
    Tensors copies;
    for (const at::Tensor& each : inputs) copies.push_back(each.clone());
    auto answer = model_.run(copies);
    if (!answer) return std::unexpected(threw(answer.error(), where));
    const auto actual = arrange_outputs(*std::move(answer), contract_, batch_of(contract_, inputs));
    if (!actual) {
      return refuse("InvalidContract", where + ": " + actual.error(),
                    "Correct the contract's outputs, or export the bundle again.");
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (auto result = judge((*actual)[i], expected[i], i, where, report); !result) return result;
    }
    return {};
  }

  Outcome<void> judge(const at::Tensor& actual, const at::Tensor& expected, std::size_t output,
                      const std::string& where, GoldenReport& report) {
    const std::string& tensor = contract_.outputs[output].name;
    if (actual.sizes() != expected.sizes()) {
      return refuse("GoldenMismatch",
                    std::format("{}, output {}: expected {}, got {}", where, tensor, describe(expected),
                                describe(actual)),
                    "Export the bundle again: its golden cases are of another model.");
    }
    const Deviation worst = compare(actual, expected, scales_[output], tolerances_[output]);
    if (!worst.passes()) return mismatch(worst, tensor, where);
    if (report.worst_case.empty() || worst.share > report.worst.share) {
      report.tolerance = tolerances_[output];
      report.worst_case = case_;
      report.worst_tensor = tensor;
      report.worst = worst;
    }
    return {};
  }

  static Outcome<void> mismatch(const Deviation& worst, const std::string& tensor, const std::string& where) {
    std::string message = std::format("{}, output {}{}: expected {:.7g}, got {:.7g}", where, tensor,
                                      wire::shape_text(worst.index), worst.expected, worst.actual);
    if (!std::isfinite(worst.actual) && std::isfinite(worst.expected)) {
      return refuse(
          "NonFiniteOutput", std::move(message),
          "Find out in Python why the model gives NaN or infinity here; half precision overflows above "
          "65504.");
    }
    message += std::format(", error {:.1e} > {:.1e}", worst.error, worst.allowed);
    return refuse(
        "GoldenMismatch", std::move(message),
        "Export the bundle again from the model that made the golden cases, or, if the difference is "
        "meant, raise validation.absoluteTolerance and validation.relativeTolerance.");
  }

  Model& model_;
  const wire::Contract& contract_;
  std::string name_;
  std::string case_;
  std::vector<Tolerance> tolerances_;  // by output
  std::vector<double> scales_;         // by output
};

}  // namespace

Outcome<Tensors> inputs_of(const GoldenCase& golden, const wire::Contract& contract) {
  const std::string where = "case " + golden.name + ": its inputs";
  auto inputs = tensors_of(golden.inputs, contract.inputs, where);
  if (!inputs) return inputs;
  const auto batch = batch_of(contract, *inputs);
  for (const at::Tensor& each : *inputs) {
    if (batch && each.size(0) != *batch) return invalid_bundle(where + " have different batch sizes");
  }
  return inputs;
}

Outcome<GoldenReport> run_golden(Model& model, const wire::Contract& contract, const Bundle& bundle,
                                 const wire::LoadRequest& request) {
  const Manifest manifest = bundle.manifest.value_or(Manifest{});
  GoldenReport report{
      .cases = bundle.cases.size(), .tolerance = {}, .worst_case = {}, .worst_tensor = {}, .worst = {}};
  for (const GoldenCase& golden : bundle.cases) {
    Case one(model, contract, golden, request, manifest);
    if (auto result = one.check(golden, report); !result) return std::unexpected(std::move(result).error());
  }
  return report;
}

}  // namespace pilotlight::engine
