#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sidecar/engine/bundle/fault.h"
#include "sidecar/engine/bundle/format.h"
#include "sidecar/engine/bundle/manifest.h"
#include "sidecar/engine/bundle/safetensors.h"

namespace pilotlight::engine {

struct GoldenCase {
  std::string name;
  StoredTensors inputs;
  StoredTensors outputs;
};

// A model file, opened: all spans lie in the bytes it was opened from, which must outlive it.
struct Bundle {
  std::optional<Manifest> manifest;  // absent for a bare model
  std::span<const std::byte> model;
  ModelFormat format;  // of `model`
  std::vector<GoldenCase> cases;
};

// Opens a bundle or a bare model, and checks everything that can be checked without running it:
// the archive, the manifest, every member's digest, the golden tensors. No byte of the model is interpreted.
Outcome<Bundle> open_bundle(std::span<const std::byte> file);

}  // namespace pilotlight::engine
