#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine {

enum class Format { kTar, kTorchScript };

// What a file is, by its content. Everything that cannot be served is `UnsupportedFormat`, and the message
// says what it looks like: the usual mistakes are a login page, a checkpoint and a compressed archive.
Outcome<Format> detect_format(std::span<const std::byte> file);

// The same for the file that a bundle calls its model, which must be TorchScript.
Outcome<void> require_torchscript(std::span<const std::byte> file, const std::string& name);

}  // namespace pilotlight::engine
