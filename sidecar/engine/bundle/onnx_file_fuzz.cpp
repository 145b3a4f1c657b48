// The walk over an ONNX file that comes before ONNX Runtime sees it.

#include "common/fuzz/fuzz.h"
#include "sidecar/engine/bundle/onnx_file.h"
#include "sidecar/engine/testing/onnx.h"

namespace pilotlight::fuzz {

using engine::testing::onnx::field;

void run(std::string_view input) {
  const auto file = bytes(input);
  std::ignore = engine::looks_like_onnx(file);
  const auto sound = engine::check_onnx(file);
  if (!sound) {
    require(sound.error().reason == "UnsupportedFormat",
            "a file that is refused is of an unsupported format");
    require(presentable(sound.error().message, 1024), "a fault's message can be shown");
    require(presentable(sound.error().remedy, 1024), "a fault says what to do");
    return;
  }
  // What was accepted is refused with one weight elsewhere, or one operator of another domain, wherever it
  // stands.
  const std::string graph = field(5, field(14, std::uint64_t{1}));
  const std::string node =
      field(1, field(4, std::string_view("EPContext")) + field(7, std::string_view("com.microsoft")));
  for (const std::string& more : {graph, node}) {
    require(!engine::check_onnx(bytes(std::string(input) + field(7, more))),
            "nothing hides behind other fields");
  }
}

std::vector<std::string> seeds() {
  namespace onnx = engine::testing::onnx;
  const std::string inner =
      onnx::graph({.inputs = {}, .outputs = {}, .nodes = {onnx::node("Add", {"x", "x"}, {"y"})}});
  return {onnx::scaling(2, 3),
          onnx::file({.inputs = {},
                      .outputs = {},
                      .nodes = {onnx::node("If", {"x"}, {"y"}, {onnx::graph_attribute("then_branch", inner)}),
                                onnx::node("F", {"x"}, {"y"}, {}, "mine")}},
                     field(25, field(1, std::string_view("F")) + field(10, std::string_view("mine")))),
          field(7, field(5, field(8, std::string_view("w")) +
                                field(13, field(1, std::string_view("location")) +
                                              field(2, std::string_view("../a")))))};
}

}  // namespace pilotlight::fuzz
