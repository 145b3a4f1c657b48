#include "sidecar/engine/aoti/processor.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/text/printable.h"

namespace pilotlight::engine::aoti {
namespace {

#if defined(__x86_64__)
constexpr bool kX86 = true;
bool this_processor_has(const char* feature) {
  const std::string_view name(feature);
  // The compiler takes nothing but a literal.
  if (name == "avx2") return __builtin_cpu_supports("avx2") != 0;
  if (name == "fma") return __builtin_cpu_supports("fma") != 0;
  if (name == "f16c") return __builtin_cpu_supports("f16c") != 0;
  if (name == "avx512f") return __builtin_cpu_supports("avx512f") != 0;
  if (name == "avx512dq") return __builtin_cpu_supports("avx512dq") != 0;
  if (name == "avx512vl") return __builtin_cpu_supports("avx512vl") != 0;
  if (name == "avx512bw") return __builtin_cpu_supports("avx512bw") != 0;
  return false;
}
#else
constexpr bool kX86 = false;
bool this_processor_has(const char*) {
  return false;
}
#endif

#if defined(__aarch64__)
constexpr bool kArm = true;
#else
constexpr bool kArm = false;
#endif

struct Known {
  std::string_view name;
  bool of_this_architecture;
  std::vector<const char*> features;
};

// What PyTorch passes to the compiler for each name.
const std::vector<Known>& known() {
  static const std::vector<Known> all = {
      {"INVALID_VEC_ISA", true, {}},  // none beyond what every processor of the architecture has
      {"AVX2", kX86, {"avx2", "fma", "f16c"}},
      {"AVX512", kX86, {"avx512f", "avx512dq", "avx512vl", "avx512bw", "fma"}},
      {"ASIMD", kArm, {}}};
  return all;
}

}  // namespace

Outcome<void> check_instructions(std::string_view instructions, const HasFeature& has) {
  const auto found = std::ranges::find(known(), instructions, &Known::name);
  if (found == known().end()) {
    return refuse(
        "UnsupportedFormat",
        "the model was compiled for the instructions " + Quoted(instructions) + ", which cannot be used here",
        "Export it for smaller ones: pilotlight_export, instructions=\"avx2\".");
  }
  if (found->of_this_architecture && std::ranges::all_of(found->features, has)) return {};
  return refuse(
      "UnsupportedProcessor",
      "the model was compiled for " + std::string(instructions) +
          ", which this node's processor does not have",
      "Choose nodes that have it (template.nodeSelector), or export the model for smaller instructions "
      "(pilotlight_export, instructions=\"avx2\" or \"scalar\").");
}

Outcome<void> check_instructions(std::string_view instructions) {
  return check_instructions(instructions, this_processor_has);
}

}  // namespace pilotlight::engine::aoti
