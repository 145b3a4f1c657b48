#pragma once

#include <cstddef>
#include <span>

#include "sidecar/engine/bundle/fault.h"
#include "sidecar/wire/model_format.h"

namespace pilotlight::engine {

using wire::model_format_name;
using wire::ModelFormat;

// Whether the file is an archive of members, of which one is the model.
bool is_bundle(std::span<const std::byte> file);

// What a model's file is, by its content. Everything that cannot be served is `UnsupportedFormat`, and the
// message says what it looks like: the usual mistakes are a login page, a checkpoint and a compressed
// archive.
Outcome<ModelFormat> detect_format(std::span<const std::byte> file);

}  // namespace pilotlight::engine
