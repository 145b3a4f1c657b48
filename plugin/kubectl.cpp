#include "plugin/kubectl.h"

#define BOOST_PROCESS_USE_STD_FS 1
#include <boost/process.hpp>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>

namespace pilotlight::plugin {
namespace {

namespace process = boost::process;
using nlohmann::json;

auto program() {
  const auto found = process::search_path("kubectl");
  if (found.empty()) throw std::runtime_error("there is no kubectl on the PATH");
  return found;
}

std::string rest_of(std::istream& in) {
  return {std::istreambuf_iterator<char>(in), {}};
}

// What kubectl wrote; throws what it complained of.
std::string output_of(const std::vector<std::string>& arguments) {
  process::ipstream out;
  process::ipstream err;
  process::child child(program(), process::args(arguments),
                       process::std_in<process::null, process::std_out> out, process::std_err > err);
  std::string complaint;
  std::jthread drain([&] { complaint = rest_of(err); });  // a pipe that nobody reads fills up
  std::string said = rest_of(out);
  drain.join();
  child.wait();
  if (child.exit_code() != 0) throw std::runtime_error(complaint.empty() ? "kubectl failed" : complaint);
  return said;
}

// Ends `child` at `deadline`, or when this goes.
class Deadline {
 public:
  Deadline(process::child& child, std::chrono::steady_clock::time_point deadline)
      : waiter_([&child, deadline](const std::stop_token& stop) {
          std::mutex mutex;
          std::unique_lock lock(mutex);
          std::condition_variable_any().wait_until(lock, stop, deadline, [] { return false; });
          std::error_code gone;
          child.terminate(gone);
        }) {}

 private:
  std::jthread waiter_;
};

}  // namespace

std::vector<std::string> Kubectl::with_flags(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all = flags_;
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

json Kubectl::get(const std::vector<std::string>& what) const {
  std::vector<std::string> arguments = {"get"};
  arguments.insert(arguments.end(), what.begin(), what.end());
  arguments.insert(arguments.end(), {"-o", "json"});
  return json::parse(output_of(with_flags(arguments)));
}

void Kubectl::patch(const std::string& name, const std::string& type, const json& patch) const {
  output_of(with_flags(
      {"patch", "modeldeployments.pilotlight.dev", name, "--type", type, "--patch", patch.dump()}));
}

bool Kubectl::watch(const std::string& name, std::chrono::steady_clock::duration timeout,
                    const std::function<bool(const json&)>& seen) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  // The API server ends each watch after a while.
  while (std::chrono::steady_clock::now() < deadline) {
    process::ipstream out;
    process::ipstream err;
    process::child child(
        program(),
        process::args(with_flags({"get", "modeldeployments.pilotlight.dev", name, "--watch", "-o", "json"})),
        process::std_in<process::null, process::std_out> out, process::std_err > err);
    std::string complaint;
    std::jthread drain([&] { complaint = rest_of(err); });
    bool any = false;
    bool done = false;
    {
      const Deadline end(child, deadline);
      while (!done && (out >> std::ws) && out.peek() != std::istream::traits_type::eof()) {
        json object;
        out >> object;
        any = true;
        done = !seen(object);
      }
    }
    drain.join();
    child.wait();
    if (done) return true;
    if (!any && std::chrono::steady_clock::now() < deadline)
      throw std::runtime_error(complaint.empty() ? "kubectl failed" : complaint);
  }
  return false;
}

}  // namespace pilotlight::plugin
