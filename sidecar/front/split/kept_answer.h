#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "common/http/message.h"
#include "sidecar/front/inferences.h"

namespace pilotlight::front {

// The outputs of an answer, in memory of their own. Not thread-safe.
class KeptAnswer {
 public:
  // Of this front's own inference.
  static KeptAnswer copy_of(std::span<const OutputTensor> outputs);
  // Of a peer's answer to what it was sent for comparing: the Open Inference Protocol with all outputs in
  // binary. Nothing in it is believed. The error says what is wrong with it.
  static std::expected<KeptAnswer, std::string> read(http::Response response);

  KeptAnswer(KeptAnswer&&) noexcept = default;
  KeptAnswer& operator=(KeptAnswer&&) noexcept = default;

  // Valid as long as this is.
  std::vector<OutputTensor> outputs() const;

 private:
  struct Output {
    std::string name;
    wire::Datatype datatype;
    std::vector<std::int64_t> shape;
    std::size_t begin;  // of `bytes_`
    std::size_t size;
  };
  KeptAnswer() = default;

  std::vector<Output> outputs_;
  std::string bytes_;
};

}  // namespace pilotlight::front
