// Where a system call's arguments and its result lie, for a signal handler that answers it in the kernel's
// place.
#pragma once

#include <ucontext.h>

#include <cstddef>

namespace pilotlight::engine::sandbox {

#if defined(__x86_64__)

inline constexpr bool kCallsCanBeAnswered = true;
inline long argument(const ucontext_t& context, std::size_t index) {
  constexpr int kRegisters[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
  return context.uc_mcontext.gregs[kRegisters[index]];
}
inline void set_result(ucontext_t& context, long result) {
  context.uc_mcontext.gregs[REG_RAX] = result;
}

#elif defined(__aarch64__)

inline constexpr bool kCallsCanBeAnswered = true;
inline long argument(const ucontext_t& context, std::size_t index) {
  return static_cast<long>(context.uc_mcontext.regs[index]);
}
inline void set_result(ucontext_t& context, long result) {
  context.uc_mcontext.regs[0] = static_cast<unsigned long long>(result);
}

#else

inline constexpr bool kCallsCanBeAnswered = false;
inline long argument(const ucontext_t&, std::size_t) {
  return 0;
}
inline void set_result(ucontext_t&, long) {}

#endif

}  // namespace pilotlight::engine::sandbox
