#pragma once

#include <boost/asio/io_context.hpp>
#include <expected>
#include <functional>
#include <thread>

#include "sidecar/artifact/fetch.h"

namespace pilotlight::front {

// Fetches beside the loop.
class Fetcher {
 public:
  using Done = std::function<void(std::expected<artifact::Fetched, wire::Failure>)>;

  virtual ~Fetcher() = default;
  // One at a time. `done` is called on the loop's thread.
  virtual void start(const artifact::FetchOptions& options, Done done) = 0;
  virtual const artifact::Progress& progress() const = 0;
};

// With a thread for each fetch. Destruction cancels and joins.
class ThreadFetcher final : public Fetcher {
 public:
  explicit ThreadFetcher(boost::asio::io_context& io) : io_(io) {}
  ~ThreadFetcher() override;
  void start(const artifact::FetchOptions& options, Done done) override;
  const artifact::Progress& progress() const override { return progress_; }

 private:
  boost::asio::io_context& io_;
  artifact::Progress progress_;
  std::thread thread_;
};

}  // namespace pilotlight::front
