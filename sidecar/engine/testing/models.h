#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/engine/model.h"
#include "sidecar/engine/testing/archives.h"

namespace pilotlight::engine::testing {

// A TorchScript archive of a module with this source ("def forward(self, x): …") and these parameters.
std::string model_file(const std::string& source,
                       const std::vector<std::pair<std::string, at::Tensor>>& parameters = {});

// The same, loaded; the test fails if it cannot be.
Model model_of(const std::string& source,
               const std::vector<std::pair<std::string, at::Tensor>>& parameters = {});

// The outcome of loading it: for those that must be refused.
Outcome<Model> load_source(const std::string& source);

// A golden tensor from a real one.
Plain plain(const std::string& name, const at::Tensor& tensor);

}  // namespace pilotlight::engine::testing
