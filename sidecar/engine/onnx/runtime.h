#pragma once

#include <string>

namespace Ort {
struct Env;
}

namespace pilotlight::engine::onnx {

// ONNX Runtime, with the threads that all sessions share: later no new ones can be had. The first call starts
// it, with as many threads as LibTorch has; in the engine that is before the sandbox. It never ends.
// Thread-safe.
const Ort::Env& runtime();

// "1.21.0".
std::string version();

}  // namespace pilotlight::engine::onnx
