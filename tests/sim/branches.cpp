#include "tests/sim/branches.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <format>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

namespace pilotlight::sim {
namespace {

using nlohmann::json;

[[noreturn]] void Fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// What a branch says of itself when it has ended.
std::vector<std::uint8_t> Told(const Outcome& outcome, const Coverage& coverage) {
  return json::to_cbor({{"violation", outcome.violation},
                        {"rest", outcome.rest},
                        {"end", outcome.end},
                        {"coverage", coverage.ToJson()}});
}

void Tell(int pipe, const std::vector<std::uint8_t>& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::write(pipe, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno != EINTR) ::_exit(1);
    if (wrote > 0) done += static_cast<std::size_t>(wrote);
  }
}

std::vector<std::uint8_t> ReadToEnd(int pipe) {
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 65536> buffer{};
  for (;;) {
    const ssize_t got = ::read(pipe, buffer.data(), buffer.size());
    if (got == 0) return bytes;
    if (got < 0 && errno != EINTR) Fail("read");
    if (got > 0) bytes.insert(bytes.end(), buffer.begin(), buffer.begin() + got);
  }
}

int AwaitEnd(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) Fail("waitpid");
  }
  return status;
}

Outcome Heard(const std::vector<std::uint8_t>& bytes, int status, Coverage& coverage) {
  if (status != 0)
    return {.violation = WIFSIGNALED(status) ? std::format("it crashes, with signal {}", WTERMSIG(status))
                                             : std::format("it ends with {}", WEXITSTATUS(status))};
  const json told = json::from_cbor(bytes);
  coverage.Add(Coverage::FromJson(told.at("coverage")));
  return {.violation = told.at("violation"), .rest = told.at("rest"), .end = told.at("end")};
}

class Brancher {
 public:
  Brancher(Coverage& coverage, std::size_t stride) : coverage_(coverage), stride_(stride) {}

  // In the parent nothing ever goes wrong.
  Mishap At(Place place, std::size_t number) {
    if (IsBranch()) return {};
    for (const Mishap& mishap : AllMishaps(place)) {
      if (possible_++ % stride_ == 0 && Begin(Describe(place, number, mishap))) return mishap;
    }
    return {};
  }

  bool IsBranch() const { return tells_ >= 0; }

  // For what has run to its end: a branch does not come back from here.
  Branches End(Outcome outcome) {
    if (!IsBranch()) return {.usual = std::move(outcome), .others = std::move(ended_)};
    Tell(tells_, Told(outcome, coverage_));
    ::_exit(0);
  }

 private:
  // True in the branch.
  bool Begin(std::string mishap) {
    std::array<int, 2> pipe{};
    if (::pipe(pipe.data()) != 0) Fail("pipe");
    const pid_t child = ::fork();
    if (child < 0) Fail("fork");
    if (child == 0) {
      ::close(pipe[0]);
      tells_ = pipe[1];
      before_ = std::exchange(coverage_, coverage_.FromHere());
      return true;
    }
    ::close(pipe[1]);
    const auto bytes = ReadToEnd(pipe[0]);
    ::close(pipe[0]);
    ended_.push_back({std::move(mishap), Heard(bytes, AwaitEnd(child), coverage_)});
    return false;
  }

  Coverage& coverage_;
  const std::size_t stride_;
  std::size_t possible_ = 0;
  int tells_ = -1;   // in a branch: whom it tells how it ended
  Coverage before_;  // in a branch: what was seen until there, which nobody takes apart
  std::vector<Branch> ended_;
};

}  // namespace

Branches RunBranches(const Scenario& scenario, Coverage& coverage, std::size_t stride) {
  Brancher brancher(coverage, stride);
  const auto asked = [&](Place place, std::size_t number) { return brancher.At(place, number); };
  try {
    // A branch ends with its world as it is: taking it apart would copy each page that it shares.
    World world(scenario.seed, coverage, asked);
    return brancher.End(RunIn(world, scenario));
  } catch (const std::exception& error) {
    if (!brancher.IsBranch()) throw;
    return brancher.End({.violation = error.what()});  // nobody else is to go on from here
  }
}

}  // namespace pilotlight::sim
