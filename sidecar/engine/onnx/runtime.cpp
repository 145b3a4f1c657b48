#include "sidecar/engine/onnx/runtime.h"

#include <ATen/Parallel.h>
#include <onnxruntime_cxx_api.h>

#include <iostream>
#include <string_view>

namespace pilotlight::engine::onnx {
namespace {

using std::string_view_literals::operator""sv;

// Debian's ONNX Runtime registers operators that Debian's ONNX library, its own dependency, has registered
// before, and says so in a thousand lines.
class SilentErrors {
 public:
  SilentErrors() : before_(std::cerr.rdbuf(nullptr)) {}
  ~SilentErrors() { std::cerr.rdbuf(before_); }
  SilentErrors(const SilentErrors&) = delete;
  SilentErrors& operator=(const SilentErrors&) = delete;

 private:
  std::streambuf* before_;
};

// y [1] = Identity(x [1]), of opset 13, as protobuf writes it.
constexpr std::string_view kLeastModel =
    "\x08\x08"
    "\x3a\x37"
    "\x0a\x10\x0a\x01x\x12\x01y\x22\x08Identity"
    "\x12\x01g"
    "\x5a\x0f\x0a\x01x\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
    "\x62\x0f\x0a\x01y\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
    "\x42\x04\x0a\x00\x10\x0d"sv;

Ort::Env* start() {
  const SilentErrors silent;
  Ort::ThreadingOptions threads;
  threads.SetGlobalIntraOpNumThreads(at::get_num_threads());
  threads.SetGlobalInterOpNumThreads(1);
  threads.SetGlobalSpinControl(0);  // a thread that waits must not eat the container's quota
  // Its log would hold the model's names and its own paths; what matters comes back as an error.
  auto* const env = new Ort::Env(threads, ORT_LOGGING_LEVEL_FATAL, "pilotlight");
  // The first session registers all operators and kernels.
  Ort::SessionOptions options;
  options.DisablePerSessionThreads();
  const Ort::Session first(*env, kLeastModel.data(), kLeastModel.size(), options);
  return env;
}

}  // namespace

const Ort::Env& runtime() {
  static const Ort::Env* const env = start();
  return *env;
}

std::string version() {
  return Ort::GetVersionString();
}

}  // namespace pilotlight::engine::onnx
