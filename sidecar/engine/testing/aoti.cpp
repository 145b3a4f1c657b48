#include "sidecar/engine/testing/aoti.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace pilotlight::engine::testing::aoti {

std::string library(std::string_view order) {
  std::ifstream file(PILOTLIGHT_AOTI_MODEL, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto place = content.find("@order@");
  if (place == std::string::npos || order.size() > 200) throw std::runtime_error("no place for an order");
  content.replace(place, order.size() + 1, std::string(order) + '\0');
  return content;
}

std::string bundle_of(const std::string& package, const std::string& torch) {
  return write_bundle({.model = package,
                       .contract = "  inputs: [{name: x, datatype: FP32, shape: [-1, -1]}]\n"
                                   "  outputs: [{name: y, datatype: FP32, shape: [-1, -1]}]\n",
                       .cases = {{.name = "three",
                                  .inputs = {floats("x", {1, 1}, {3})},
                                  .outputs = {floats("y", {1, 1}, {6})}}},
                       .exporter = "  torch: " + torch + "\n",
                       .file = "model.pt2",
                       .format = "AOTInductor"});
}

std::string bundle(std::string_view order, CompiledText text) {
  text.library = library(order);
  return bundle_of(write_compiled(text));
}

}  // namespace pilotlight::engine::testing::aoti
