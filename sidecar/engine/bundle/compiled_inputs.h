#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/wire/messages.h"

namespace pilotlight::engine {

// The sizes that one dimension may have. Machine code believes what it was compiled for and looks at nothing:
// other sizes would make it read beyond a tensor's end.
struct CompiledSize {
  std::int64_t least = 1;
  std::int64_t most = 1;  // the same: fixed
  std::string name;       // wherever it stands, the size is the same; "" if fixed
};

struct CompiledInput {
  std::string name;
  wire::Datatype datatype = wire::Datatype::kFp32;
  std::vector<CompiledSize> shape;
};

// What the exporter writes into a compiled model's metadata of the inputs that it was compiled for:
//
//   {"inputs": [{"name": "x", "datatype": "FP32", "shape": ["batch", 16]}], "sizes": {"batch": [1, 65536]}}
//
// The error names the field.
std::expected<std::vector<CompiledInput>, std::string> read_compiled_inputs(std::string_view json);

// A tensor, as far as it matters here.
struct Given {
  wire::Datatype datatype;
  std::span<const std::int64_t> shape;
};

// Whether a model compiled for `inputs` may be run on these. The error names the input, and what was
// expected.
std::expected<void, std::string> check_inputs(const std::vector<CompiledInput>& inputs,
                                              const std::vector<Given>& given);

}  // namespace pilotlight::engine
