#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sidecar/engine/bundle/fault.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::engine {

// What a model takes and returns, as far as it says.
struct Signature {
  std::vector<std::string> required;  // tensors that must be given, by name
  std::size_t most = 0;               // how many tensors can be given by position
  bool names_outputs = true;          // false: a list or a dictionary; how many is known only when it answers
  std::size_t outputs = 1;            // if names_outputs
  // What the model says of its tensors, as an ONNX graph does: names, datatypes, shapes.
  std::optional<wire::Contract> declared = {};
};

// The contract of a model that comes without one: what it declares, else the names.
wire::Contract open_contract(const Signature& signature);

// `InvalidContract` if the contract's number of inputs or outputs cannot be forward's.
Outcome<void> check_signature(const Signature& signature, const wire::Contract& contract);

}  // namespace pilotlight::engine
