#include "sidecar/front/split/mirror.h"

#include <optional>
#include <utility>

#include "common/log/log.h"
#include "sidecar/front/split/agreement.h"
#include "sidecar/front/split/kept_answer.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::front {
namespace {

// Of an answer, beside its tensors.
constexpr std::uint64_t kHeadBytes = 64 * 1024;

HopClient::Limits hop_limits(const Mirror::Limits& limits) {
  HopClient::Limits hop;
  hop.connections_each = limits.connections_each;
  hop.connections = limits.requests;
  hop.answer_bytes = limits.answer_bytes + kHeadBytes;
  return hop;
}

}  // namespace

class Mirror::Kept {
 public:
  Kept(std::shared_ptr<Held> held, std::uint64_t first_epoch, const Tolerance& its_tolerance,
       std::string request_head, std::string request_body)
      : segment(first_epoch),
        tolerance(its_tolerance),
        head(std::move(request_head)),
        body(std::move(request_body)),
        held_(std::move(held)) {
    ++held_->requests;
    hold(body.size());
  }
  ~Kept() {
    --held_->requests;
    held_->bytes -= bytes_;
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  void hold(std::uint64_t bytes) {
    bytes_ += bytes;
    held_->bytes += bytes;
  }

  std::uint64_t segment;
  Tolerance tolerance;
  std::string head;
  std::string body;
  std::optional<KeptAnswer> expected;
  std::string pod;

 private:
  std::shared_ptr<Held> held_;
  std::uint64_t bytes_ = 0;
};

Mirror::Mirror(boost::asio::io_context& io, Timers& timers, const HopIdentity& identity, std::uint16_t port,
               Limits limits, Tally& tally)
    : timers_(timers),
      limits_(limits),
      tally_(tally),
      client_(io, timers, identity, port, hop_limits(limits)) {}

void Mirror::apply(const SplitDocument& document) {
  client_.set_peers(document.mirror ? document.peers : std::vector<SplitPeer>());
  tolerance_ = document.mirror ? document.mirror->tolerance : Tolerance();
  timeout_ = document.hop_timeout;
}

bool Mirror::has_room(std::uint64_t bytes) const {
  return held_->bytes + bytes <= limits_.bytes;
}

std::shared_ptr<Mirror::Kept> Mirror::keep(std::uint64_t segment, std::string head, std::string body) {
  if (held_->requests < limits_.requests && has_room(body.size())) {
    return std::make_shared<Kept>(held_, segment, tolerance_, std::move(head), std::move(body));
  }
  tally_.mirror_dropped(segment);
  return nullptr;
}

void Mirror::send(std::shared_ptr<Kept> kept, std::span<const OutputTensor> outputs) {
  std::uint64_t bytes = 0;
  std::uint64_t numbers = 0;
  for (const auto& output : outputs) {
    bytes += output.bytes.size();
    numbers += output.bytes.size() / wire::element_bytes(output.datatype);
  }
  if (bytes > limits_.answer_bytes || numbers > limits_.answer_numbers || !has_room(bytes)) {
    return tally_.mirror_dropped(kept->segment);
  }
  kept->hold(bytes);
  kept->expected = KeptAnswer::copy_of(outputs);
  ready_.push_back(std::move(kept));
  if (!soon_) soon_ = timers_.after(std::chrono::duration<double>(0), [this] { flush(); });
}

void Mirror::flush() {
  soon_.reset();
  for (const auto& kept : std::exchange(ready_, {})) hand_over(kept);
}

void Mirror::hand_over(const std::shared_ptr<Kept>& kept) {
  // The pods may be another candidate's by now.
  if (kept->segment != tally_.segment()) return tally_.mirror_dropped(kept->segment);
  const auto time = std::chrono::duration_cast<Timers::Clock::duration>(timeout_);
  const auto sent =
      client_.send({.head = kept->head,
                    .body = kept->body,
                    .keep = kept,
                    .deadline = timers_.now() + time,
                    .done = [this, kept](HopResult result) { answered(*kept, std::move(result)); }});
  if (!sent) return tally_.mirror_dropped(kept->segment);
  kept->pod = sent->pod_uid;
}

void Mirror::answered(const Kept& kept, HopResult result) {
  if (result && result->status == kMirrorRefused) return tally_.mirror_dropped(kept.segment);
  std::optional<Agreement> found;
  if (result && result->status == 200) {
    const auto answer = KeptAnswer::read(*std::move(result));
    if (answer) {
      found = compare(kept.expected->outputs(), answer->outputs(), kept.tolerance);
    } else {
      log::Warn("A mirrored request's answer cannot be read", {{"pod", kept.pod}, {"why", answer.error()}});
    }
  }
  tally_.mirrored({.segment = kept.segment, .pod = kept.pod, .found = found, .now = timers_.wall()});
}

}  // namespace pilotlight::front
