#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "sidecar/front/status.h"

// What `verify` found, for people and for programs.
namespace pilotlight::plugin {

enum class Verdict {
  kProven,
  kRefused,    // the model's fault: no pod would serve it
  kUndecided,  // the world's: the file cannot be had, or there is not enough memory
};

Verdict verdict_of(const front::Status& status);
std::string_view verdict_name(Verdict verdict);

// {"verdict", "model", "digest", "proof", "contract", "failure", "timings"}: those of docs/sidecar.md's
// status, and absent where there is none.
nlohmann::json verdict_document(const front::Status& status, std::string_view model);
// A dozen lines, the verdict first.
std::string verdict_text(const front::Status& status, std::string_view model);

}  // namespace pilotlight::plugin
