#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine {

// The formats of models that are served.
enum class ModelFormat { kTorchScript, kOnnx };

// As model.yaml and the proof call it.
std::string_view model_format_name(ModelFormat format);
std::optional<ModelFormat> model_format_from_name(std::string_view name);

// Whether the file is an archive of members, of which one is the model.
bool is_bundle(std::span<const std::byte> file);

// What a model's file is, by its content. Everything that cannot be served is `UnsupportedFormat`, and the
// message says what it looks like: the usual mistakes are a login page, a checkpoint and a compressed
// archive.
Outcome<ModelFormat> detect_format(std::span<const std::byte> file);

}  // namespace pilotlight::engine
