#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <map>
#include <string>

namespace pilotlight::front {

// How a process ended.
struct Exit {
  int code = 0;
  int signal = 0;  // 0: it ended by itself

  bool operator==(const Exit&) const = default;
};

// "exit code 3", "signal 9 (Killed)".
std::string describe(const Exit& exit);

// Learns of children's ends. As the container's first process (PID 1) it also reaps the orphans that the
// kernel hands to it. Runs on the io_context's thread.
class Children {
 public:
  explicit Children(boost::asio::io_context& io);

  // Calls back once, when the child has ended and been reaped.
  void watch(pid_t child, std::function<void(Exit)> ended);
  // The child is still reaped, but nobody is told.
  void forget(pid_t child);

 private:
  void wait();
  void reap();
  void ended(pid_t child, int status);

  boost::asio::signal_set signals_;
  std::map<pid_t, std::function<void(Exit)>> watched_;
};

}  // namespace pilotlight::front
