#pragma once

#include <filesystem>
#include <vector>

#include "sidecar/artifact/signature/public_key.h"

namespace pilotlight::front {

// The public keys of the operator: one in PEM in each file of the folder that does not begin with a dot (a
// ConfigMap's volume has such). Read anew at each call, so that keys can change under a running pod. What is
// no key is logged and passed over; no folder: no keys. Thread-safe: no state.
std::vector<signature::PublicKey> read_operator_keys(const std::filesystem::path& folder);

}  // namespace pilotlight::front
