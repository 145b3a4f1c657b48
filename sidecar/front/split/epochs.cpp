#include "sidecar/front/split/epochs.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "sidecar/front/scratch_note.h"

namespace pilotlight::front {

using nlohmann::json;

Epochs::Epochs(const std::filesystem::path& folder, std::string key)
    : file_(folder.empty() ? folder : folder / "epoch.json"), key_(std::move(key)) {
  if (file_.empty()) return;
  const auto note = read_note(file_);
  if (!note.is_object() || note.value("key", json()) != key_) return;
  const auto epoch = note.find("epoch");
  const auto digest = note.find("digest");
  if (epoch == note.end() || !epoch->is_number_unsigned()) return;
  epoch_ = epoch->get<std::uint64_t>();
  if (digest != note.end() && digest->is_string()) digest_ = digest->get<std::string>();
}

Epochs::Order Epochs::judge(const SignedCall& call) const {
  if (call.epoch > epoch_) return Order::kNewer;
  if (call.epoch < epoch_) return Order::kOlder;
  return call.digest == digest_ ? Order::kSame : Order::kOther;
}

void Epochs::applied(const SignedCall& call) {
  if (judge(call) == Order::kSame) return;
  epoch_ = call.epoch;
  digest_ = call.digest;
  if (!file_.empty()) write_note(file_, {{"key", key_}, {"epoch", epoch_}, {"digest", digest_}});
}

}  // namespace pilotlight::front
