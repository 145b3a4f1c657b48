#include "sidecar/engine/run_error.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/runtime/jit_exception.h>

#include <algorithm>
#include <new>
#include <regex>

namespace pilotlight::engine {
namespace {

constexpr std::size_t kMaxReason = 240;

std::string first_line(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  text.remove_prefix(begin);
  return std::string(text.substr(0, std::min(text.find_first_of("\r\n"), kMaxReason)));
}

// The interpreter puts a traceback with source before the message that matters.
std::string_view without_traceback(std::string_view text) {
  constexpr std::string_view kError = "\nRuntimeError: ";
  if (text.find("TorchScript interpreter") == std::string_view::npos) return text;
  const auto found = text.rfind(kError);
  return found == std::string_view::npos ? "the model failed" : text.substr(found + kError.size());
}

bool says_out_of_memory(std::string_view text) {
  return text.find("std::bad_alloc") != std::string_view::npos ||
         text.find("DefaultCPUAllocator: ") != std::string_view::npos ||
         // A device's: tensors, pinned memory, and what cuBLAS and cuDNN take for themselves.
         text.find("CUDA out of memory") != std::string_view::npos ||
         text.find("CUDA error: out of memory") != std::string_view::npos ||
         text.find("_STATUS_ALLOC_FAILED") != std::string_view::npos ||
         text.find("Failed to allocate memory for requested buffer") != std::string_view::npos;
}

}  // namespace

std::string one_line(std::string_view message) {
  static const std::regex kEnforce(R"(^\[enforce fail at [^\]]*\][ .]*)");
  static const std::regex kPath(R"((/[A-Za-z0-9_.+\-]+){2,}/?)");
  std::string line = first_line(without_traceback(message));
  line = std::regex_replace(line, kEnforce, "");
  line = std::regex_replace(line, kPath, "…");
  std::ranges::replace_if(line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line.empty() ? "no reason given" : line;
}

RunError run_error(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return {.kind = RunError::Kind::kOutOfMemory, .reason = "memory ran out"};
  }
  // `raise` in the model: its words are its own, whatever they sound like.
  if (const auto* raised = dynamic_cast<const torch::jit::JITException*>(&error)) {
    return {.kind = RunError::Kind::kThrew,
            .reason = one_line(raised->getOriginalMsg().value_or(error.what()))};
  }
  std::string text = error.what();
  if (const auto* torch_error = dynamic_cast<const c10::Error*>(&error)) {
    text = torch_error->what_without_backtrace();
  }
  const bool memory = says_out_of_memory(text);
  return {.kind = memory ? RunError::Kind::kOutOfMemory : RunError::Kind::kThrew, .reason = one_line(text)};
}

}  // namespace pilotlight::engine
