#include "sidecar/front/fetcher.h"

#include <malloc.h>

#include <boost/asio/post.hpp>
#include <memory>

namespace pilotlight::front {

ThreadFetcher::~ThreadFetcher() {
  progress_.cancelled = true;
  if (thread_.joinable()) thread_.join();
}

void ThreadFetcher::start(const artifact::FetchOptions& options, Done done) {
  if (thread_.joinable()) thread_.join();
  thread_ = std::thread([this, options, done = std::move(done)] {
    auto fetched = std::make_shared<std::expected<artifact::Fetched, wire::Failure>>(
        artifact::fetch(options, progress_));
    // TLS and its certificates leave megabytes behind that are never needed again.
    ::malloc_trim(0);
    boost::asio::post(io_, [done, fetched] { done(std::move(*fetched)); });
  });
}

}  // namespace pilotlight::front
