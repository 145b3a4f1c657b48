#include "sidecar/engine/process.h"

#include <ATen/Parallel.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <csignal>
#include <ctime>
#include <fstream>
#include <string>

#include "sidecar/engine/onnx/runtime.h"
#include "sidecar/wire/messages.h"

namespace pilotlight::engine {
namespace {

// 0 where there is no quota, or none that can be read.
double quota_of(std::istream& in) {
  std::string quota;
  double period = 0;
  if (!(in >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::strtod(quota.c_str(), nullptr) / period;
}

double cgroup_quota() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  if (v2) return quota_of(v2);
  std::ifstream quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double us = 0;
  double per = 0;
  return quota >> us && period >> per && us > 0 && per > 0 ? us / per : 0;
}

// Whoever died before it could be waited for has closed its end by now; what it has sent may still lie there.
bool front_is_gone() {
  pollfd front{.fd = wire::kEngineSocket, .events = 0, .revents = 0};
  return ::poll(&front, 1, 0) == 1 && (front.revents & POLLHUP) != 0;
}

}  // namespace

void settle_process() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Linking takes so long that the front may have ended meanwhile: then nobody would ever end this process.
  if (front_is_gone()) ::_exit(0);
  ::close_range(wire::kEngineSocket + 1, UINT_MAX, 0);
  std::ofstream("/proc/self/oom_score_adj") << 1000;
  // A core would hold the model and its callers' data, and writing it would keep the front waiting.
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  for (int signal = 1; signal < SIGSYS; ++signal) std::signal(signal, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
}

int default_threads() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  const int cpus = ::sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : 1;
  const double quota = cgroup_quota();
  return std::clamp(quota > 0 ? static_cast<int>(std::ceil(quota)) : cpus, 1, std::max(cpus, 1));
}

void prime(int threads) {
  // Its LLVM does not come to an end with some graphs, those of half precision for one.
  torch::jit::setTensorExprFuserEnabled(false);
  at::set_num_interop_threads(1);
  at::set_num_threads(threads);
  const c10::InferenceMode no_gradients;
  const at::Tensor square = torch::rand({128, 128});
  const at::Tensor product = square.matmul(square);
  const at::Tensor image = torch::conv2d(torch::rand({1, 4, 16, 16}), torch::rand({4, 4, 3, 3}));
  at::parallel_for(0, threads, 1, [](std::int64_t, std::int64_t) {});
  at::launch([] {});  // the thread of torch.jit.fork
  onnx::runtime();
  ::tzset();  // archives bear dates
}

}  // namespace pilotlight::engine
