#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace pilotlight::front {

// Time on the loop. Tests bring their own.
class Timers {
 public:
  using Clock = std::chrono::steady_clock;
  // Destroying it cancels the call.
  using Handle = std::shared_ptr<void>;

  virtual ~Timers() = default;
  virtual Clock::time_point now() const = 0;
  virtual std::chrono::system_clock::time_point wall() const = 0;
  // Calls back once on the loop's thread, never from inside this function.
  [[nodiscard]] virtual Handle after(std::chrono::duration<double> delay, std::function<void()> call) = 0;
};

class LoopTimers final : public Timers {
 public:
  explicit LoopTimers(boost::asio::io_context& io) : io_(io) {}
  Clock::time_point now() const override { return Clock::now(); }
  std::chrono::system_clock::time_point wall() const override { return std::chrono::system_clock::now(); }
  Handle after(std::chrono::duration<double> delay, std::function<void()> call) override;

 private:
  boost::asio::io_context& io_;
};

}  // namespace pilotlight::front
