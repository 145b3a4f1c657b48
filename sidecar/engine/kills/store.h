#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace pilotlight::engine::testing {

// A model store over HTTP on loopback, with one file, an ETag and ranges. Counts what it is asked for, and
// can stop in the middle of an answer until it is told to go on. Thread-safe.
class Store {
 public:
  explicit Store(std::string file);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  [[nodiscard]] std::string uri() const;
  // Where an answer stops while it is held.
  [[nodiscard]] std::size_t half() const { return file_.size() / 2; }

  void hold();
  void go_on();
  // From now on: there is no such file; there is one.
  void remove();
  void upload();

  // "whole" or "from 123" for each request that asked for the file, in their order.
  [[nodiscard]] std::vector<std::string> requests() const;

 private:
  void accept();
  void serve(int connection);
  bool send(int connection, std::string_view bytes) const;

  const std::string file_;
  int listener_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool removed_ = false;
  std::vector<std::string> requests_;
  std::vector<std::jthread> connections_;
  std::jthread thread_;
};

}  // namespace pilotlight::engine::testing
