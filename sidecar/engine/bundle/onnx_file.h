#pragma once

#include <cstddef>
#include <span>

#include "sidecar/engine/bundle/fault.h"

namespace pilotlight::engine {

// Whether the bytes begin as ONNX files do.
bool looks_like_onnx(std::span<const std::byte> file);

// Walks over the whole of an ONNX file, in time proportional to its size, and interprets no tensor. Refused
// as `UnsupportedFormat`: a file that is damaged or nested too deeply; weights that lie in other files, or at
// addresses in memory; operators that are not of ONNX's own domains nor functions of the file. What it does
// not look at (types, shapes, sizes) is for ONNX Runtime to judge, in the sandbox.
Outcome<void> check_onnx(std::span<const std::byte> file);

}  // namespace pilotlight::engine
