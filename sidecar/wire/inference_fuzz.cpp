// The packets of the hot path, from either process: what was accepted lies inside its region and is written
// back as the same bytes.

#include <algorithm>
#include <cstring>

#include "common/fuzz/fuzz.h"
#include "sidecar/wire/datatype.h"
#include "sidecar/wire/inference.h"

namespace pilotlight::fuzz {
namespace {

constexpr std::uint64_t kBegin = 4096;
constexpr std::uint64_t kBytes = 1 << 20;

void check_error(const std::string& error) {
  require(presentable(error, 512), "an error can be shown");
}

void check_sound(const wire::Tensor& tensor) {
  require(tensor.rank <= wire::kMaxRank, "a rank is within its limit");
  const auto sound = wire::check_tensor(tensor, kBegin, kBytes);
  if (!sound) return check_error(sound.error());
  require(wire::is_datatype(tensor.datatype), "a sound tensor has a datatype");
  require(tensor.offset >= kBegin && tensor.offset <= kBegin + kBytes &&
              tensor.bytes <= kBegin + kBytes - tensor.offset,
          "a sound tensor lies inside its region");
  std::uint64_t bytes = wire::element_bytes(tensor.datatype);
  std::uint64_t lists = 1;  // of a tensor without elements, what is written of it all the same
  for (const auto size : wire::shape_of(tensor)) {
    require(size >= 0, "a sound tensor has no negative dimension");
    bytes *= static_cast<std::uint64_t>(size);
    if (size > 0) lists *= static_cast<std::uint64_t>(size);
    require(lists <= kBytes, "writing a sound tensor takes no longer than its region is large");
  }
  require(bytes == tensor.bytes, "a sound tensor has the bytes of its shape");
}

}  // namespace

void run(std::string_view input) {
  const auto packet = bytes(input);
  if (const auto infer = wire::parse_infer(packet); infer) {
    require(std::ranges::equal(wire::infer_bytes(*infer), packet), "an Infer is written as it was read");
    for (std::uint32_t i = 0; i < infer->tensor_count; ++i) check_sound(infer->tensors[i]);
  } else {
    check_error(infer.error());
  }
  if (const auto result = wire::parse_result(packet); result) {
    require(std::ranges::equal(wire::result_bytes(result->result, result->names), packet),
            "a Result is written as it was read");
    for (const auto& name : result->names) {
      require(!name.empty() && name.size() < wire::kNameBytes, "a name is within its limits");
    }
    for (std::uint32_t i = 0; i < result->result.tensor_count; ++i) check_sound(result->result.tensors[i]);
  } else {
    check_error(result.error());
  }
}

std::vector<std::string> seeds() {
  const auto text = [](std::span<const std::byte> all) {
    return std::string(reinterpret_cast<const char*>(all.data()), all.size());
  };
  const wire::Tensor tensor{
      .datatype = wire::Datatype::kFp32, .rank = 2, .shape = {2, 3}, .offset = kBegin, .bytes = 24};
  const wire::Tensor empty{
      .datatype = wire::Datatype::kFp64, .rank = 3, .shape = {1, 1 << 16, 0}, .offset = kBegin, .bytes = 0};
  wire::Infer infer{.kind = wire::Kind::kInfer,
                    .tensor_count = 2,
                    .id = 7,
                    .output_offset = kBegin,
                    .output_bytes = 64,
                    .tensors = {tensor, empty}};
  wire::Result result{.kind = wire::Kind::kResult,
                      .status = wire::Status::kOk,
                      .id = 7,
                      .compute_ns = 1,
                      .tensor_count = 2,
                      .reserved = 0,
                      .tensors = {tensor, empty}};
  const std::string names[] = {"a", "b"};
  return {text(wire::infer_bytes(infer)), text(wire::result_bytes(result)),
          text(wire::result_bytes(result, names))};
}

}  // namespace pilotlight::fuzz
