#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/operator.h"

namespace pilotlight::sim {

// Where something can go wrong: a write of an operator's, one of its calls to a sidecar, and a change of
// which the first operator hears.
enum class Place { kWrite, kOrder, kArrival };

// What goes wrong at one place. As it is made: nothing.
struct Mishap {
  WriteFate write = WriteFate::kDone;
  OrderFate order = OrderFate::kDone;
  bool arrival_lost = false;
};

// Asked at each place, which is the `number`-th of its kind, from 1.
using Mischief = std::function<Mishap(Place place, std::size_t number)>;

const std::vector<Mishap>& AllMishaps(Place place);

// For the reader of a failure, with what replays it: PILOTLIGHT_SIM_DISTURB='write 5 6'.
std::string Describe(Place place, std::size_t number, const Mishap& mishap);

// The one mishap of a text like that, 'write 5 6', 'order 2 1' or 'event 21'. Another text: none.
Mischief ParseMischief(std::string_view text);

}  // namespace pilotlight::sim
