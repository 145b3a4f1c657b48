#include "sidecar/engine/sandbox/violation.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>

#include "sidecar/engine/sandbox/call_names.h"
#include "sidecar/engine/sandbox/library.h"
#include "sidecar/engine/sandbox/registers.h"
#include "sidecar/wire/messages.h"

namespace pilotlight::engine::sandbox {
namespace {

int report_socket = -1;
std::uint32_t native = 0;
bool opening_is_answered = false;

// A packet put together on the stack: the handler may not allocate.
class Packet {
 public:
  Packet() { add(std::string_view(reinterpret_cast<const char*>(&kKind), sizeof kKind)); }
  void add(std::string_view text) {
    const auto count = std::min(text.size(), bytes_.size() - size_);
    std::memcpy(bytes_.data() + size_, text.data(), count);
    size_ += count;
  }
  void add(int number) {
    std::array<char, 12> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    add(std::string_view(text.data(), end));
  }
  void send() const { ::send(report_socket, bytes_.data(), size_, MSG_NOSIGNAL | MSG_DONTWAIT); }

 private:
  static constexpr auto kKind = wire::Kind::kViolation;
  std::array<char, 256> bytes_;
  std::size_t size_ = 0;
};

// Opening a file for reading gets here where machine code may be loaded, and is no violation: libraries try
// it and do without.
bool answer_opening(int number, ucontext_t& context) {
  constexpr long kWrites = O_ACCMODE | O_CREAT | O_TRUNC;
  std::size_t path = 0;
  if (number == SYS_openat) {
    path = 1;
#ifdef SYS_open
  } else if (number == SYS_open) {
    path = 0;
#endif
  } else {
    return false;
  }
  if (!opening_is_answered || (argument(context, path + 1) & kWrites) != O_RDONLY) return false;
  const int before = errno;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a system call's arguments are numbers
  set_result(context, open_for_reading(reinterpret_cast<const char*>(argument(context, path))));
  errno = before;
  return true;
}

// Names and purposes hold nothing that JSON would have to quote.
void report(int, siginfo_t* info, void* context) {
  // Numbers mean other calls in other architectures' tables.
  const int number = info->si_arch == native ? info->si_syscall : -1;
  if (answer_opening(number, *static_cast<ucontext_t*>(context))) return;
  const std::string_view name = call_name(number);
  Packet packet;
  packet.add(R"({"call":")");
  if (name.empty()) {
    packet.add(number < 0 ? "foreign system call " : "system call ");
    packet.add(info->si_syscall);
  } else {
    packet.add(name);
  }
  packet.add(R"(","purpose":")");
  packet.add(call_purpose(number));
  packet.add(R"("})");
  packet.send();
  ::_exit(kViolationExit);
}

}  // namespace

void report_violations(const Options& options) {
  prepare_call_names();
  report_socket = options.socket;
  opening_is_answered = options.library >= 0;
  // libseccomp's word for an architecture is the kernel's.
  native = seccomp_arch_native();
  struct sigaction handler{};
  handler.sa_sigaction = report;
  handler.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSYS, &handler, nullptr);
}

}  // namespace pilotlight::engine::sandbox
