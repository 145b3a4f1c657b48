// An AOTInductor package: which library, which metadata, which inputs.

#include "common/fuzz/fuzz.h"
#include "sidecar/engine/bundle/compiled_package.h"
#include "sidecar/engine/testing/compiled.h"

namespace pilotlight::fuzz {
namespace {

// What was accepted bounds every tensor that is let through.
void check_accepted(const std::vector<engine::CompiledInput>& inputs) {
  std::vector<engine::Given> given;
  std::vector<std::vector<std::int64_t>> shapes;
  for (const auto& input : inputs) {
    auto& shape = shapes.emplace_back();
    for (const auto& size : input.shape) shape.push_back(size.least);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    given.push_back({.datatype = inputs[i].datatype, .shape = shapes[i]});
  }
  require(engine::check_inputs(inputs, given).has_value(), "the least sizes fit");
  if (shapes[0].empty()) return;
  shapes[0][0] = inputs[0].shape[0].most + 1;
  const auto checked = engine::check_inputs(inputs, given);
  require(!checked && presentable(checked.error(), 2048), "larger ones do not, and the error can be shown");
}

}  // namespace

void run(std::string_view input) {
  // As a file, and as the innermost part of one, where mutations get further.
  if (const auto inputs = engine::read_compiled_inputs(input)) {
    check_accepted(*inputs);
  } else {
    require(presentable(inputs.error(), 512), "an error can be shown");
  }
  const auto package = engine::read_package(bytes(input));
  if (!package) {
    require(package.error().reason == "UnsupportedFormat", "a package is unsupported, or accepted");
    return require(presentable(package.error().message, 1024), "a fault's message can be shown");
  }
  require(package->library.ends_with(".so"), "an accepted package has a library");
  check_accepted(package->inputs);
  if (package->library_bytes > (1U << 20)) return;
  std::string library(package->library_bytes, '\0');
  engine::unpack_library(bytes(input), *package, std::as_writable_bytes(std::span(library)));
}

std::vector<std::string> seeds() {
  using engine::testing::write_compiled;
  auto sources = engine::testing::compiled_entries({});
  sources.pop_back();
  sources.back() = {.name = "data/aotinductor/model/x_compile_flags.json", .content = "{}"};
  return {write_compiled({}),
          write_compiled({.device = "cuda", .top = "m/"}),
          engine::testing::write_archive(engine::testing::ArchiveKind::kDeflatedZip,
                                         engine::testing::compiled_entries({})),
          engine::testing::write_archive(engine::testing::ArchiveKind::kZip, sources),
          engine::testing::CompiledText().inputs,
          R"({"inputs":[{"name":"x","datatype":"INT64","shape":[3,"n"]}],"sizes":{"n":[2,2]}})"};
}

}  // namespace pilotlight::fuzz
