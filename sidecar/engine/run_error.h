#pragma once

#include <exception>
#include <expected>
#include <stdexcept>
#include <string>
#include <string_view>

namespace pilotlight::engine {

// What became of LibTorch running somebody else's code.
struct RunError {
  enum class Kind { kThrew, kOutOfMemory, kNoTensors };
  Kind kind;
  std::string reason;  // one line, without the model's source and without paths
};

// An error has left the device unusable to this process: only its end helps. What nobody but main can do
// something about goes through everybody else.
class DeviceFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One line that says what happened and gives away neither source nor paths: LibTorch's own messages hold
// both.
std::string one_line(std::string_view message);

// To be called in a handler only. Tells apart what ran out of memory from what the model, or its caller's
// values, are to blame for.
RunError run_error(const std::exception& error);

// Calls `work` and turns whatever it throws into a RunError, but for DeviceFailed.
template <class Work>
auto guarded(const Work& work) -> std::expected<decltype(work()), RunError> {
  try {
    return work();
  } catch (const DeviceFailed&) {
    throw;
  } catch (const std::exception& error) {
    return std::unexpected(run_error(error));
  } catch (...) {
    return std::unexpected(
        RunError{.kind = RunError::Kind::kThrew, .reason = "an exception without a message"});
  }
}

}  // namespace pilotlight::engine
