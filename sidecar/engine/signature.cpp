#include "sidecar/engine/signature.h"

#include <cstddef>

namespace pilotlight::engine {

wire::Contract open_contract(const Signature& signature) {
  if (signature.declared) return *signature.declared;
  wire::Contract contract;
  for (const std::string& name : signature.required) {
    contract.inputs.push_back({.name = name, .datatype = {}, .shape = {}, .labels = {}});
  }
  for (std::size_t i = 0; signature.names_outputs && i < signature.outputs; ++i) {
    contract.outputs.push_back(
        {.name = "output_" + std::to_string(i), .datatype = {}, .shape = {}, .labels = {}});
  }
  return contract;
}

Outcome<void> check_signature(const Signature& signature, const wire::Contract& contract) {
  const std::size_t inputs = contract.inputs.size();
  if (inputs < signature.required.size() || inputs > signature.most) {
    std::string names;
    for (const std::string& name : signature.required) names += (names.empty() ? "" : ", ") + name;
    return refuse("InvalidContract",
                  "the contract has " + std::to_string(inputs) + " inputs; forward takes " +
                      std::to_string(signature.required.size()) + " (" + names + ")" +
                      (signature.most > signature.required.size()
                           ? " and up to " + std::to_string(signature.most) + " with its optional ones"
                           : ""),
                  "List one input for each of forward's arguments, in its order.");
  }
  if (signature.names_outputs && contract.outputs.size() != signature.outputs) {
    return refuse("InvalidContract",
                  "the contract has " + std::to_string(contract.outputs.size()) +
                      " outputs; forward returns " + std::to_string(signature.outputs),
                  "List one output for each tensor that forward returns, in its order.");
  }
  return {};
}

}  // namespace pilotlight::engine
