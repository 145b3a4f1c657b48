#pragma once

// Precompiled once for the whole folder: LibTorch's headers take longer to read than all else together.
#include <ATen/Parallel.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>
