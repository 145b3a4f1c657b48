#include "sidecar/engine/golden.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <format>
#include <nlohmann/json.hpp>
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

Outcome<void> not_a_batch(Fault fault) {
  fault.remedy =
      "The contract says that the first dimension is a batch, but an answer depends on its neighbours or on "
      "the "
      "batch's size. Export the model in evaluation mode, or give the contract a fixed shape.";
  return std::unexpected(std::move(fault));
}

Outcome<Tensors> answer(Model& model, const wire::Contract& contract, const Tensors& inputs,
                        const std::string& where) {
  // The model gets copies: it may write into its inputs.
  Tensors copies;
  for (const at::Tensor& each : inputs) copies.push_back(each.clone());
  auto answered = model.run(copies);
  if (!answered) return std::unexpected(threw(answered.error(), where));
  auto arranged = arrange_outputs(*std::move(answered), contract, batch_of(contract, inputs));
  if (!arranged) {
    return refuse("InvalidContract", where + ": " + arranged.error(),
                  "Correct the contract's outputs, or export the bundle again.");
  }
  return *std::move(arranged);
}

struct Example {
  Tensors inputs;
  Tensors outputs;
};

Outcome<Example> example_of(const GoldenCase& golden, const wire::Contract& contract) {
  auto inputs = inputs_of(golden, contract);
  if (!inputs) return std::unexpected(std::move(inputs).error());
  auto outputs = tensors_of(golden.outputs, contract.outputs, "case " + golden.name + ": its outputs");
  if (!outputs) return std::unexpected(std::move(outputs).error());
  return Example{.inputs = *std::move(inputs), .outputs = *std::move(outputs)};
}

Tensors rows_of(const Tensors& from, std::int64_t begin, std::int64_t count) {
  Tensors rows;
  for (const at::Tensor& each : from) rows.push_back(each.narrow(0, begin, count).clone());
  return rows;
}

// Checks one case; keeps what is the same for all of its runs.
class Case {
 public:
  Case(Model& model, const wire::Contract& contract, std::string name, Example example,
       const wire::LoadRequest& request, const Manifest& manifest)
      : model_(model), contract_(contract), name_(std::move(name)), example_(std::move(example)) {
    for (const wire::TensorSpec& spec : contract.outputs) {
      tolerances_.push_back(tolerance_for(spec.datatype.value_or(wire::Datatype::kFp32), request, manifest));
    }
    for (const at::Tensor& each : example_.outputs) scales_.push_back(scale_of(each));
  }

  Outcome<void> check(GoldenReport& report) {
    const std::string where = "case " + name_;
    for (const std::string& run : {where, where + ", second run"}) {
      if (auto result = once(example_.inputs, example_.outputs, run, report); !result) return result;
    }
    return rows_alone(report);
  }

  // One run of the whole case, and nothing else.
  Outcome<void> rerun(GoldenReport& report) {
    return once(example_.inputs, example_.outputs, "case " + name_, report);
  }

  const std::string& name() const { return name_; }
  const Example& example() const { return example_; }

  // Whether `actual` is what the case's outputs must be, where `expected` are some of their rows.
  Outcome<void> judge(const Tensors& actual, const Tensors& expected, const std::string& where,
                      GoldenReport& report) const {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (auto result = judge(actual[i], expected[i], i, where, report); !result) return result;
    }
    return {};
  }

 private:
  Outcome<void> rows_alone(GoldenReport& report) {
    // Of a large batch, rows from all over it.
    constexpr std::int64_t kMostRows = 16;
    const auto batch = batch_of(contract_, example_.inputs);
    if (!batch || *batch < 2) return {};
    const std::int64_t count = std::min(*batch, kMostRows);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = i * *batch / count;
      auto result = once(rows_of(example_.inputs, row, 1), rows_of(example_.outputs, row, 1),
                         std::format("case {}, row {} run alone", name_, row), report);
      if (!result) return not_a_batch(std::move(result).error());
    }
    return {};
  }

  Outcome<void> once(const Tensors& inputs, const Tensors& expected, const std::string& where,
                     GoldenReport& report) {
    const auto actual = answer(model_, contract_, inputs, where);
    if (!actual) return std::unexpected(actual.error());
    return judge(*actual, expected, where, report);
  }

  Outcome<void> judge(const at::Tensor& actual, const at::Tensor& expected, std::size_t output,
                      const std::string& where, GoldenReport& report) const {
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
      report.worst_case = name_;
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
  Example example_;
  std::vector<Tolerance> tolerances_;  // by output
  std::vector<double> scales_;         // by output
};

// Whether the two differ in the first dimension alone, so that they can be one batch.
bool same_rows(const Tensors& a, const Tensors& b) {
  return std::ranges::equal(a, b, [](const at::Tensor& one, const at::Tensor& other) {
    return one.scalar_type() == other.scalar_type() && one.sizes().slice(1) == other.sizes().slice(1);
  });
}

// Runs all cases that go together with the first as one batch; a case by itself, twice in it.
Outcome<void> together(Model& model, const wire::Contract& contract, const std::vector<Case>& cases,
                       GoldenReport& report) {
  constexpr std::int64_t kMostRows = 8;
  if (cases.empty()) return {};
  const Example& first = cases.front().example();
  if (!batch_of(contract, first.inputs)) return {};
  std::vector<const Case*> chosen;
  std::int64_t rows = 0;
  for (const Case& each : cases) {
    const Example& example = each.example();
    const std::int64_t more = example.inputs.front().size(0);
    if (rows + more > kMostRows || !same_rows(example.inputs, first.inputs) ||
        !same_rows(example.outputs, first.outputs)) {
      continue;
    }
    chosen.push_back(&each);
    rows += more;
  }
  if (chosen.size() == 1) chosen.push_back(chosen.front());
  if (chosen.empty()) return {};
  Tensors inputs;
  for (std::size_t i = 0; i < first.inputs.size(); ++i) {
    Tensors parts;
    for (const Case* each : chosen) parts.push_back(each->example().inputs[i]);
    inputs.push_back(at::cat(parts));
  }
  const auto actual =
      answer(model, contract, inputs, std::format("a batch of {} golden cases", chosen.size()));
  if (!actual && actual.error().reason == "OutOfMemory") return {};  // nobody has asked for that batch
  if (!actual) {
    auto fault = actual.error();
    if (fault.reason == "LoadFailed") fault.reason = "InvalidContract";  // each case by itself did not fail
    return not_a_batch(std::move(fault));
  }
  const std::int64_t rows_in_all = inputs.front().size(0);
  std::int64_t row = 0;
  for (const Case* each : chosen) {
    const Tensors& expected = each->example().outputs;
    const std::int64_t count = each->example().inputs.front().size(0);
    auto result = each->judge(rows_of(*actual, row, count), expected,
                              std::format("case {} in a batch of {}", each->name(), rows_in_all), report);
    if (!result) return not_a_batch(std::move(result).error());
    row += count;
  }
  return {};
}

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
  std::vector<Case> cases;
  for (const GoldenCase& golden : bundle.cases) {
    auto example = example_of(golden, contract);
    if (!example) return std::unexpected(std::move(example).error());
    cases.emplace_back(model, contract, golden.name, *std::move(example), request, manifest);
    if (auto result = cases.back().check(report); !result) return std::unexpected(std::move(result).error());
  }
  if (auto result = together(model, contract, cases, report); !result) {
    return std::unexpected(std::move(result).error());
  }
  return report;
}

Outcome<GoldenReport> rerun_golden(Model& model, const wire::Contract& contract, const Bundle& bundle,
                                   const wire::LoadRequest& request, std::size_t which) {
  const GoldenCase& golden = bundle.cases.at(which);
  auto example = example_of(golden, contract);
  if (!example) return std::unexpected(std::move(example).error());
  GoldenReport report{.cases = 1, .tolerance = {}, .worst_case = {}, .worst_tensor = {}, .worst = {}};
  Case one(model, contract, golden.name, *std::move(example), request, bundle.manifest.value_or(Manifest{}));
  if (auto result = one.rerun(report); !result) return std::unexpected(std::move(result).error());
  return report;
}

nlohmann::json worst_error(const GoldenReport& report) {
  return {{"case", report.worst_case},         {"tensor", report.worst_tensor}, {"index", report.worst.index},
          {"expected", report.worst.expected}, {"actual", report.worst.actual}, {"error", report.worst.error},
          {"allowed", report.worst.allowed}};
}

}  // namespace pilotlight::engine
