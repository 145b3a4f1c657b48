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
  std::string exporter_torch;                // as written; "" if not said
  std::string exporter_python;
};

// `InvalidBundle`, `InvalidContract` (the field's name in the message) or `UnsupportedFormat` (another
// release's apiVersion, another model format).
Outcome<Manifest> parse_manifest(std::string_view yaml);

}  // namespace pilotlight::engine
