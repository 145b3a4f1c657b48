#pragma once

#include <expected>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/artifact/fetch.h"
#include "sidecar/artifact/signature/public_key.h"
#include "sidecar/wire/failure.h"
#include "sidecar/wire/model_format.h"

// Whose signature a model must bear, and whether it does. Thread-safe: no state.
namespace pilotlight::front {

struct SignatureDemand {
  bool required = true;                    // else a model without a good signature is served with a warning
  std::string uri;                         // of the signature's file
  std::vector<signature::PublicKey> keys;  // any of them is enough
};

// The demand of a command line: keys from files, and the signature's path or URI (empty: beside the model).
// The error names the file.
std::expected<SignatureDemand, std::string> demand_from_files(std::string_view model,
                                                              std::span<const std::filesystem::path> keys,
                                                              std::string_view signature);

// Machine code is run only if it is known whose it is: the failure of one that is demanded by its format and
// not by its signature as well.
std::optional<wire::Failure> unsigned_machine_code(std::optional<wire::ModelFormat> format,
                                                   const std::optional<SignatureDemand>& demand);

// Whether what was fetched is signed as demanded. Returns the proof's part about it: {"keyId", "subject"}.
// The failure's class is Revision, or World where the signature could not be had.
std::expected<nlohmann::json, wire::Failure> judge_signature(const SignatureDemand& demand,
                                                             const artifact::Fetched& fetched);

}  // namespace pilotlight::front
