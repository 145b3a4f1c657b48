#include "sidecar/engine/prover.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <charconv>
#include <utility>

#include "sidecar/engine/agreement.h"
#include "sidecar/engine/bundle/bundle.h"
#include "sidecar/engine/graph_choice.h"
#include "sidecar/engine/outputs.h"
#include "sidecar/engine/samples.h"

namespace pilotlight::engine {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr std::string_view kAddCases =
    "Add golden cases to the bundle (pilotlight_export writes them), or lower validation.minimumLevel.";

// Of "2.7.1+cu126", 2 and 7; what cannot be read is older than everything.
std::pair<int, int> minor_release(std::string_view text) {
  std::pair<int, int> version{-1, -1};
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.first);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    std::from_chars(major.ptr + 1, end, version.second);
  }
  return version;
}

Fault out_of_memory(const std::string& where) {
  return {.reason = "OutOfMemory",
          .message = "memory ran out " + where,
          .remedy = "Give the pod more memory (template: resources.limits.memory)."};
}

wire::Contract contract_of(const Bundle& bundle, const wire::LoadRequest& request,
                           const Signature& signature) {
  if (request.contract) return *request.contract;
  if (bundle.manifest) return bundle.manifest->contract;
  return open_contract(signature);
}

// Tries inputs made from the contract. Inconclusive is a warning: only real inputs could tell.
Outcome<bool> contract_holds(Model& model, const wire::Contract& contract,
                             std::vector<std::string>& warnings) {
  const std::vector<std::int64_t> batches =
      wire::has_batch_dimension(contract) ? std::vector<std::int64_t>{1, 3} : std::vector<std::int64_t>{1};
  for (const std::int64_t batch : batches) {
    const auto inputs = guarded([&] { return synthetic_inputs(contract, batch); });
    auto answer = inputs ? model.run(*inputs) : std::unexpected(inputs.error());
    const std::string where =
        "inputs made from the contract" +
        (batches.size() > 1 ? " with a batch of " + std::to_string(batch) : std::string());
    if (!answer) {
      if (answer.error().kind == RunError::Kind::kOutOfMemory) {
        return std::unexpected(out_of_memory("while trying " + where));
      }
      // The inputs are of a shape that the contract prescribes in full: the model has no excuse.
      if (wire::only_batch_varies(contract)) {
        return refuse(
            "InvalidContract", "the model fails on " + where + ": " + answer.error().reason,
            "Correct the contract's inputs, or add golden cases: then the model is tried on those.");
      }
      warnings.push_back("the contract could not be checked, because the model fails on " + where + ": " +
                         answer.error().reason);
      return false;
    }
    const auto outputs = arrange_outputs(*std::move(answer), contract, batch_of(contract, *inputs));
    if (!outputs) {
      return refuse("InvalidContract", "on " + where + ", " + outputs.error(),
                    "Correct the contract's outputs.");
    }
    if (const auto name = non_finite(*outputs, contract)) {
      warnings.push_back("output " + *name + " holds NaN or infinity on " + where);
      return false;
    }
  }
  return true;
}

// One attempt with one form of the model's graph.
class Attempt {
 public:
  Attempt(const Proving& proving, const Bundle& bundle, Model& model, const wire::Contract& contract)
      : proving_(proving), bundle_(bundle), model_(model), contract_(contract) {}

  // Golden cases, or else the contract.
  Outcome<void> check(Proof& proof) {
    if (!bundle_.cases.empty()) {
      auto golden = run_golden(model_, contract_, bundle_, proving_.request);
      if (!golden) return std::unexpected(std::move(golden).error());
      proof.golden = *std::move(golden);
      proof.level = wire::ProofLevel::kAnswers;
      return {};
    }
    if (!is_complete(contract_)) {
      proof.warnings.emplace_back("without a contract and golden cases the model's answers are unproven");
      return {};
    }
    const auto holds = contract_holds(model_, contract_, proof.warnings);
    if (!holds) return std::unexpected(holds.error());
    if (*holds) proof.level = wire::ProofLevel::kContract;
    return {};
  }

  Outcome<void> warm(Proof& proof) {
    // Inputs that the model refused while being checked would tell nothing about its speed.
    if (proof.level == wire::ProofLevel::kLoaded) return {};
    const bool batched = wire::has_batch_dimension(contract_);
    std::vector<std::int64_t> sizes = proving_.request.warmup_batch_sizes;
    if (sizes.empty() || !batched) sizes.assign(1, 1);
    const auto allowance = std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        Seconds(std::min(proving_.request.warmup_timeout_seconds, 86'400.0)));
    const auto now = proving_.clock();
    for (const std::int64_t size : sizes) {
      if (auto result = warm_one(size, batched, proving_.for_traffic ? now + allowance : now, proof);
          !result) {
        return result;
      }
    }
    return {};
  }

 private:
  Outcome<std::vector<at::Tensor>> warm_inputs(std::int64_t size, bool batched) {
    if (bundle_.cases.empty()) return synthetic_inputs(contract_, size);
    auto inputs = inputs_of(bundle_.cases.front(), contract_);
    if (!inputs || !batched) return inputs;
    return tiled_inputs(*inputs, size);
  }

  Outcome<void> warm_one(std::int64_t size, bool batched, std::chrono::steady_clock::time_point deadline,
                         Proof& proof) {
    auto inputs = guarded([&] { return warm_inputs(size, batched); });
    if (!inputs) return failed(inputs.error(), size);
    if (!*inputs) return std::unexpected(std::move(*inputs).error());
    auto warmth = warm_up(model_, **inputs, proving_.clock, deadline);
    if (!warmth) return failed(warmth.error(), size);
    warmth->batch_size = size;
    proof.warmup.push_back(*warmth);
    return {};
  }

  static Outcome<void> failed(const RunError& error, std::int64_t size) {
    const std::string where = "with a batch of " + std::to_string(size);
    if (error.kind == RunError::Kind::kOutOfMemory) {
      auto fault = out_of_memory("while warming up " + where);
      fault.remedy += " Or lower warmup.batchSizes.";
      return std::unexpected(std::move(fault));
    }
    return refuse(
        "InvalidContract", "the model fails " + where + ": " + error.reason,
        "The contract says that the first dimension may vary: export the model with a dynamic batch, or "
        "give the contract the one size it can take.");
  }

  const Proving& proving_;
  const Bundle& bundle_;
  Model& model_;
  const wire::Contract& contract_;
};

// What was asked for by name is what must be there; and machine code is never run because a file is that.
Outcome<void> check_format(const Bundle& bundle, const wire::LoadRequest& request) {
  const std::string actual(model_format_name(bundle.format));
  if (bundle.format == ModelFormat::kAotInductor && request.format != bundle.format) {
    return refuse(
        "UnsupportedFormat",
        "the model is " + actual + ": machine code, which runs only where it is asked for by name" +
            (request.format ? "; model.format is " + std::string(model_format_name(*request.format))
                            : std::string()),
        "Set model.format to AOTInductor and name in model.signature.publicKeys who made it (on the "
        "command line --format and --public-key), or export the model as TorchScript or ONNX.");
  }
  if (request.format && *request.format != bundle.format) {
    return refuse("UnsupportedFormat",
                  "the model is " + actual + ", but model.format says " +
                      std::string(model_format_name(*request.format)),
                  "Correct model.format, or leave it out; or export the model in that format.");
  }
  return {};
}

// Compiled models call LibTorch by an interface that changes from one minor release to the next.
Outcome<void> check_compiler(const Bundle& bundle) {
  const std::string remedy =
      "Export it with pilotlight_export, format=\"aotinductor\", and torch " TORCH_VERSION ".";
  if (!bundle.manifest) {
    return refuse(
        "UnsupportedFormat",
        "a bare AOTInductor package does not say which torch it was compiled with, and nothing in it "
        "shows that it answers right",
        remedy);
  }
  const std::string& exporter = bundle.manifest->exporter.torch;
  if (minor_release(exporter) == minor_release(TORCH_VERSION)) return {};
  return refuse("UnsupportedFormat",
                "the model was compiled with torch " + (exporter.empty() ? "?" : one_line(exporter)) +
                    "; this runtime is " TORCH_VERSION,
                remedy);
}

Outcome<void> check_exporter(const Bundle& bundle, std::vector<std::string>& warnings) {
  if (bundle.format == ModelFormat::kAotInductor) return check_compiler(bundle);
  // ONNX Runtime itself says which opsets it knows.
  if (bundle.format != ModelFormat::kTorchScript) return {};
  if (!bundle.manifest || !is_newer(bundle.manifest->exporter.torch, TORCH_VERSION)) return {};
  const std::string what = "exported with torch " + one_line(bundle.manifest->exporter.torch) +
                           ", newer than this runtime's " TORCH_VERSION;
  if (bundle.cases.empty()) {
    return refuse("UnsupportedFormat",
                  "the model was " + what + ", and no golden cases show that it works here",
                  "Export the bundle with golden cases, or with torch " TORCH_VERSION ".");
  }
  warnings.push_back(what);
  return {};
}

Outcome<void> check_level(const Proof& proof, const wire::LoadRequest& request) {
  if (proof.level >= request.minimum_level) return {};
  return refuse("ProofLevelTooLow",
                "the model is proven to the level " + std::string(wire::proof_level_name(proof.level)) +
                    "; validation.minimumLevel asks for " +
                    std::string(wire::proof_level_name(request.minimum_level)),
                std::string(kAddCases));
}

void check_names(const Signature& signature, const wire::Contract& contract,
                 std::vector<std::string>& warnings) {
  // The same names in another order are most likely a mistake, and one that no shape would show.
  if (signature.required.size() != contract.inputs.size()) return;
  bool same_order = true;
  bool same_names = true;
  for (std::size_t i = 0; i < contract.inputs.size(); ++i) {
    same_order = same_order && signature.required[i] == contract.inputs[i].name;
    same_names = same_names &&
                 std::ranges::find(signature.required, contract.inputs[i].name) != signature.required.end();
  }
  if (same_names && !same_order) {
    warnings.emplace_back(
        "the contract's inputs have forward's names in another order; they are passed by position");
  }
}

// What the forms of the graph are timed on: a golden case's, or made from the contract; none if neither is
// there.
Outcome<std::vector<at::Tensor>> comparison_inputs(const Bundle& bundle, const wire::Contract& contract) {
  if (!bundle.cases.empty()) return inputs_of(bundle.cases.front(), contract);
  if (!is_complete(contract)) return {};
  auto made = guarded([&] { return synthetic_inputs(contract, 1); });
  return made ? *std::move(made) : std::vector<at::Tensor>();
}

}  // namespace

bool is_newer(std::string_view exporter, std::string_view runtime) {
  return minor_release(exporter) > minor_release(runtime);
}

Outcome<Proven> prove(const Proving& proving) {
  const auto started = proving.clock();
  proving.enter_phase(proving.for_traffic ? "Loading" : "Checking");
  auto bundle = open_bundle(proving.file);
  if (!bundle) return std::unexpected(bundle.error());

  Proof proof;
  proof.digest = proving.request.digest;
  proof.threads = at::get_num_threads();
  proof.format = bundle->format;
  if (bundle->manifest) {
    proof.exporter = bundle->manifest->exporter;
    proof.drift = find_drift(*proof.exporter, bundle->format);
  }
  if (auto result = check_format(*bundle, proving.request); !result) return std::unexpected(result.error());
  if (auto result = check_exporter(*bundle, proof.warnings); !result) return std::unexpected(result.error());
  auto plain =
      Model::load(bundle->model, bundle->format, {.library = proving.library, .device = proving.device});
  if (!plain) return std::unexpected(std::move(plain).error());
  const wire::Contract contract = contract_of(*bundle, proving.request, plain->signature());
  if (auto result = check_signature(plain->signature(), contract); !result) {
    return std::unexpected(result.error());
  }
  check_names(plain->signature(), contract, proof.warnings);
  if (const Device* device = plain->device()) proof.device = device->name();
  const auto loaded = proving.clock();

  const auto inputs = comparison_inputs(*bundle, contract);
  if (!inputs) return std::unexpected(inputs.error());
  Agreement agreement(contract, proving.request, *inputs);
  auto chosen = choose_graph(
      *std::move(plain), proof, proving,
      [&](Model& model, Proof& into) -> Outcome<void> {
        if (auto result = Attempt(proving, *bundle, model, contract).check(into); !result) return result;
        return bundle->cases.empty() ? agreement.check(model, into.graph) : Outcome<void>();
      },
      *inputs);
  if (!chosen) return std::unexpected(std::move(chosen).error());
  proof = std::move(chosen->proof);
  if (auto result = check_level(proof, proving.request); !result)
    return std::unexpected(std::move(result).error());
  const auto checked = proving.clock();

  if (proving.for_traffic) proving.enter_phase("Warming");
  if (auto result = Attempt(proving, *bundle, chosen->model, contract).warm(proof); !result) {
    return std::unexpected(std::move(result).error());
  }
  if (const Device* device = chosen->model.device()) proof.device_memory = device->memory();
  const auto warm = proving.clock();
  return Proven{.model = std::move(chosen->model),
                .contract = contract,
                .bundle = *std::move(bundle),
                .proof = std::move(proof),
                .load_seconds = Seconds(loaded - started).count(),
                .check_seconds = Seconds(checked - loaded).count(),
                .warm_seconds = Seconds(warm - checked).count()};
}

}  // namespace pilotlight::engine
