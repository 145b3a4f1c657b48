#include "sidecar/front/split/sessions.h"

namespace pilotlight::front {

void Sessions::saw(std::uint64_t session, bool bad) {
  if (closed_ || !sampled(session)) return;
  const auto [at, is_new] = seen_.try_emplace(session, false);
  if (is_new) ++counted_;
  if (bad && !at->second) {
    at->second = true;
    ++bad_;
  }
  while (seen_.size() > kMost) thin_out();
}

void Sessions::thin_out() {
  ++level_;
  std::erase_if(seen_, [&](const auto& each) {
    if (sampled(each.first)) return false;
    --counted_;
    bad_ -= each.second ? 1 : 0;
    return true;
  });
}

void Sessions::close() {
  closed_ = true;
  seen_ = {};
}

}  // namespace pilotlight::front
