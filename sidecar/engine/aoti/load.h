#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "sidecar/engine/backend.h"
#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine::aoti {

// An AOTInductor package, read from memory: its library is copied into `library`, which
// sandbox::create_library has made, and loaded from there. That runs code of its author's: nobody but a
// process in the sandbox should call it, for a file whose author is known. It has one form, and does not need
// `file` afterwards.
//
// Faults: those of read_package, `UnsupportedProcessor`, `LoadFailed`, `OutOfMemory`.
Outcome<std::unique_ptr<Backend>> load(std::span<const std::byte> file, int library);

}  // namespace pilotlight::engine::aoti
