// Safetensors: what was read has the bytes of its shapes, fills the file, and is read the same when written.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/fuzz/fuzz.h"
#include "sidecar/engine/bundle/safetensors.h"
#include "sidecar/engine/testing/archives.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::fuzz {
namespace {

using engine::StoredTensors;

std::string written(const StoredTensors& tensors) {
  std::vector<engine::testing::Plain> plain;
  for (const auto& [name, tensor] : tensors) {
    plain.push_back({.name = name,
                     .datatype = tensor.datatype,
                     .shape = tensor.shape,
                     .data = {reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()}});
  }
  return engine::testing::write_safetensors(plain);
}

bool equal(const StoredTensors& a, const StoredTensors& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.datatype == y.second.datatype && x.second.shape == y.second.shape &&
           std::ranges::equal(x.second.data, y.second.data);
  });
}

}  // namespace

// The header's text and the data behind it; the length before them is the target's, or the input's own where
// it starts with '#'.
void run(std::string_view input) {
  std::string file;
  if (input.starts_with('#')) {
    file = input.substr(1);
  } else {
    const auto parts = split(input, 2);
    file = engine::testing::write_safetensors(parts[0], parts[1]);
  }
  const auto tensors = engine::read_safetensors(bytes(file));
  if (!tensors) return require(presentable(tensors.error(), 512), "an error can be shown");
  std::size_t sum = 0;
  for (const auto& [name, tensor] : *tensors) {
    const auto needed = wire::byte_count(tensor.datatype, tensor.shape);
    require(needed && *needed == tensor.data.size(), "a tensor has the bytes of its shape");
    require(tensor.shape.size() <= wire::kMaxRank, "a tensor has its limit of dimensions");
    sum += tensor.data.size();
  }
  require(sum <= file.size(), "the tensors lie in the file, one behind the other");
  const auto copy = written(*tensors);
  const auto again = engine::read_safetensors(bytes(copy));
  require(again.has_value() && equal(*again, *tensors), "tensors are read as they were written");
}

std::vector<std::string> seeds() {
  return {
      R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})"
      "\x1e"
      "12345678",
      R"({"__metadata__":{"x":"y"},"b":{"dtype":"I64","shape":[],"data_offsets":[2,10]},"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}})"
      "\x1e"
      "1234567890",
      R"({"a":{"dtype":"BOOL","shape":[0,9223372036854775807],"data_offsets":[0,0]}})"
      "\x1e",
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})"
      "\x1e"
      "1",
      "#" + engine::testing::write_safetensors("{}", "")};
}

}  // namespace pilotlight::fuzz
