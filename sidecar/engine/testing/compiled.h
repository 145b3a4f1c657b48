#pragma once

#include <string>
#include <vector>

#include "sidecar/engine/testing/archives.h"

namespace pilotlight::engine::testing {

// An AOTInductor package, as the exporter writes it; the test changes what it wants to be wrong.
struct CompiledText {
  std::string library = "library";
  std::string device = "cpu";
  std::string instructions = "INVALID_VEC_ISA";  // none that every processor would not have
  std::string inputs = R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": ["batch", "n"]}],)"
                       R"( "sizes": {"batch": [1, 1000], "n": [1, 1000000]}})";
  std::string top = "";  // a folder in front of all names
};
std::vector<Entry> compiled_entries(const CompiledText& text);
// As a file.
std::string write_compiled(const CompiledText& text);

}  // namespace pilotlight::engine::testing
