#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/http/testing.h"
#include "sidecar/front/children.h"
#include "sidecar/front/front.h"
#include "sidecar/front/launcher.h"

namespace pilotlight::engine::testing {

// A front that serves a model's file with the real engine, on ports of its own.
class RealFront {
 public:
  struct Limits {
    std::chrono::duration<double> check{300};
    std::chrono::duration<double> request{30};
    std::uint64_t data_bytes = 0;
    std::optional<wire::ModelFormat> format = {};  // the one that it must have
    enum class Signed { kNotAsked, kByWhoIsKnown, kBySomebodyElse, kByNobody };
    Signed is_signed = Signed::kNotAsked;
  };

  RealFront(const std::string& model, const Limits& limits);
  explicit RealFront(const std::string& model) : RealFront(model, Limits()) {}
  ~RealFront();
  RealFront(const RealFront&) = delete;
  RealFront& operator=(const RealFront&) = delete;

  // Waits for a status; a test that waits in vain fails, with what it saw last.
  nlohmann::json await(const std::function<bool(const nlohmann::json&)>& holds, std::string_view what) const;
  nlohmann::json await_phase(std::string_view phase) const;
  nlohmann::json status() const;

  // One inference on x, an FP32 tensor of [1, n].
  http::testing::Answer infer(const std::vector<float>& x) const;

 private:
  std::filesystem::path folder_;
  boost::asio::io_context io_{1};
  front::Children children_{io_};
  std::unique_ptr<front::SpawnLauncher> launcher_;
  std::unique_ptr<front::Front> front_;
  std::thread thread_;
};

// The numbers of the answer's only output.
std::vector<float> numbers(const http::testing::Answer& answer);

}  // namespace pilotlight::engine::testing
