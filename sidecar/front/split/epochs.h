#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "sidecar/front/split/signed_call.h"

namespace pilotlight::front {

// Which signed call was applied last, so that an older one cannot be played back. Outlives the front on the
// scratch volume. Runs on the loop's thread.
class Epochs {
 public:
  // An empty folder: nothing outlives the front. `key` is of pod and revision; what was noted under another
  // does not count.
  Epochs(const std::filesystem::path& folder, std::string key);

  enum class Order {
    kNewer,
    kSame,   // the last one again
    kOlder,  // than the last one
    kOther   // another call of the last one's epoch
  };
  Order judge(const SignedCall& call) const;
  void applied(const SignedCall& call);
  std::uint64_t last() const { return epoch_; }

 private:
  std::filesystem::path file_;
  std::string key_;
  std::uint64_t epoch_ = 0;
  std::string digest_;
};

}  // namespace pilotlight::front
