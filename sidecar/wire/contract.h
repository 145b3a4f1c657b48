#pragma once

#include <cstdint>
#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sidecar/wire/messages.h"

namespace pilotlight::wire {

enum class Activation { kSoftmax, kNone };

// One input or output of a model.
struct TensorSpec {
  std::string name;
  // Absent where the model does not say, as with a bare TorchScript file: the request's is believed.
  std::optional<Datatype> datatype;
  // −1: a dimension that may vary. Absent where the model does not say: any rank, any size.
  std::optional<std::vector<std::int64_t>> shape;
  // Outputs only: the classes, in the order of the last dimension.
  std::vector<std::string> labels;
  // With labels: whether the output is logits (softmax is still to be taken) or probabilities.
  Activation activation = Activation::kSoftmax;

  bool operator==(const TensorSpec&) const = default;
};

// What goes in and what comes out, in the order of forward's arguments and of what it returns.
struct Contract {
  std::vector<TensorSpec> inputs;
  // Empty where the model does not say (a bare file that returns a list or a dictionary): a Result then
  // brings the names.
  std::vector<TensorSpec> outputs;

  bool operator==(const Contract&) const = default;
};

// Whether every input and output has a first dimension of −1: then that is the batch.
bool has_batch_dimension(const Contract& contract);

// Whether the shapes of all inputs are known but for the size of the batch, if there is one.
bool only_batch_varies(const Contract& contract);

// Whether a tensor of this shape suits the specification (which may leave it open).
bool fits(const TensorSpec& spec, std::span<const std::int64_t> shape);

// The form of `contract` in config.json, in model.yaml and in the status document.
nlohmann::json to_json(const Contract& contract);

// The error names the field and what it must be. Checked: names (present, unique, at most kNameBytes − 1
// bytes, printable), datatypes, dimensions (−1 or ≥ 0), rank and count, labels against the shape. An unknown
// field is an error if `strict`. Shape and datatype may be absent only if not `strict`.
std::expected<Contract, std::string> contract_from_json(const nlohmann::json& document, bool strict);

}  // namespace pilotlight::wire
