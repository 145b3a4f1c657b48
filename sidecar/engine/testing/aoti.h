#pragma once

#include <string>
#include <string_view>

#include "sidecar/engine/testing/compiled.h"

// Compiled models made at test time.
namespace pilotlight::engine::testing::aoti {

// A library, y = 2·x, that obeys an order "<when> <what> <where>" first. When:
//
//   load    its constructor          create  LibTorch's first call
//   any     a request                one     a request with x[0] = 1
//
// What: read, write or unlink the file <where>; exec <where>; socket, fork, crash, loop; self, to open its
// own file, which crashes it if it fails in `create`, and is a leak in a request. And as an answer: fail
// (saying <where>), much (memory), alias (its input), keep (one tensor for all).
std::string library(std::string_view order = "");

// The same in a bundle with a golden case of x = 3, as the exporter would write it; `text` but for the
// library.
std::string bundle(std::string_view order = "", CompiledText text = {});

// Any package in such a bundle.
std::string bundle_of(const std::string& package, const std::string& torch = "2.6.0");

}  // namespace pilotlight::engine::testing::aoti
