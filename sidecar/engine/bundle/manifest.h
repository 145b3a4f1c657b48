#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/engine/bundle/fault.h"
#include "sidecar/engine/bundle/format.h"
#include "sidecar/wire/contract.h"

namespace pilotlight::engine {

// Where a bundle was made, as written; "" for what is not said.
struct Exporter {
  std::string torch;
  std::string python;
  std::string onnxruntime;
  std::string cpu;  // PyTorch's word for the widest instructions that it used: DEFAULT, AVX2, AVX512 …
};

// `model.yaml`: what docs/bundle.md says, checked.
struct Manifest {
  std::string name;
  ModelFormat format = ModelFormat::kTorchScript;
  std::string model_file;
  wire::Contract contract;
  std::optional<double> absolute_tolerance;
  std::optional<double> relative_tolerance;
  std::vector<std::string> cases;
  std::map<std::string, std::string> files;  // member → "sha256:…"
  Exporter exporter;
};

// `InvalidBundle`, `InvalidContract` (the field's name in the message) or `UnsupportedFormat` (another
// release's apiVersion, another model format).
Outcome<Manifest> parse_manifest(std::string_view yaml);

}  // namespace pilotlight::engine
