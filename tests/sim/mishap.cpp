#include "tests/sim/mishap.h"

#include <format>
#include <map>
#include <sstream>

namespace pilotlight::sim {
namespace {

const std::map<WriteFate, std::string>& WriteFates() {
  static const std::map<WriteFate, std::string> kFates = {
      {WriteFate::kCrashBefore, "the operator dies before write"},
      {WriteFate::kCrashAfter, "the operator dies after write"},
      {WriteFate::kConflict, "somebody was faster than write"},
      {WriteFate::kUnavailable, "the API server refuses write"},
      {WriteFate::kTimeoutApplied, "no answer, but done: write"},
      {WriteFate::kLate, "no answer, but done when nobody waits for it any more: write"},
      {WriteFate::kTimeoutLost, "no answer, and not done: write"},
      {WriteFate::kStaleAfter, "nothing more is seen for a while after write"},
  };
  return kFates;
}

const std::map<OrderFate, std::string>& OrderFates() {
  static const std::map<OrderFate, std::string> kFates = {
      {OrderFate::kLost, "not heard, and no answer: order"},
      {OrderFate::kLate, "heard late, and no answer: order"},
      {OrderFate::kNoAnswer, "heard, and no answer: order"},
      {OrderFate::kRefused, "refused: order"},
  };
  return kFates;
}

}  // namespace

const std::vector<Mishap>& AllMishaps(Place place) {
  static const auto kAll = [] {
    std::map<Place, std::vector<Mishap>> all;
    for (const auto& [fate, words] : WriteFates()) all[Place::kWrite].push_back({.write = fate});
    for (const auto& [fate, words] : OrderFates()) all[Place::kOrder].push_back({.order = fate});
    all[Place::kArrival].push_back({.arrival_lost = true});
    return all;
  }();
  return kAll.at(place);
}

std::string Describe(Place place, std::size_t number, const Mishap& mishap) {
  if (place == Place::kArrival)
    return std::format("the operator misses event {0} (PILOTLIGHT_SIM_DISTURB='event {0}')", number);
  const bool write = place == Place::kWrite;
  const int fate = write ? static_cast<int>(mishap.write) : static_cast<int>(mishap.order);
  return std::format("{} {} (PILOTLIGHT_SIM_DISTURB='{} {} {}')",
                     write ? WriteFates().at(mishap.write) : OrderFates().at(mishap.order), number,
                     write ? "write" : "order", number, fate);
}

Mischief ParseMischief(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string what;
  std::size_t where = 0;
  int fate = 0;
  words >> what >> where >> fate;
  Mishap mishap;
  Place at = Place::kArrival;
  if (what == "event") {
    mishap.arrival_lost = true;
  } else if (what == "write") {
    at = Place::kWrite;
    mishap.write = static_cast<WriteFate>(fate);
  } else if (what == "order") {
    at = Place::kOrder;
    mishap.order = static_cast<OrderFate>(fate);
  }
  return [=](Place place, std::size_t number) { return place == at && number == where ? mishap : Mishap(); };
}

}  // namespace pilotlight::sim
