// What a candidate may answer to a mirrored request: it is read, or it is not; and what was read lies within
// what came.

#include <charconv>

#include "common/fuzz/fuzz.h"
#include "sidecar/front/split/agreement.h"
#include "sidecar/front/split/kept_answer.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::fuzz {

void run(std::string_view input) {
  const auto parts = split(input, 2);
  const auto body = parts[1];
  const auto answer =
      front::KeptAnswer::read({.body = body, .fields = {{"inference-header-content-length", parts[0]}}});
  if (!answer) return require(presentable(answer.error(), 200), "the reason can be logged");
  std::size_t json_bytes = 0;
  std::from_chars(parts[0].data(), parts[0].data() + parts[0].size(), json_bytes);
  const auto outputs = answer->outputs();
  for (const auto& output : outputs) {
    require(wire::byte_count(output.datatype, output.shape) == output.bytes.size(),
            "tensors have their shape");
    json_bytes += output.bytes.size();
  }
  require(json_bytes == body.size(), "nothing is left, and nothing was made up");
  front::compare(outputs, outputs, {});
}

std::vector<std::string> seeds() {
  const std::string head =
      R"({"model_name":"m","model_version":"r2","outputs":[{"name":"y","datatype":"FP32","shape":[1,3],)"
      R"("parameters":{"binary_data_size":12}},{"name":"z","datatype":"BOOL","shape":[2],)"
      R"("parameters":{"binary_data_size":2}}]})";
  return {std::to_string(head.size()) + kSeparator + head + std::string(12, '\x3f') + std::string(2, '\1'),
          "2" + std::string(1, kSeparator) + "{}", "14" + std::string(1, kSeparator) + R"({"outputs":[]})"};
}

}  // namespace pilotlight::fuzz
