#include "sidecar/engine/sandbox/sandbox.h"

#include "sidecar/engine/sandbox/call_filter.h"
#include "sidecar/engine/sandbox/landlock.h"
#include "sidecar/engine/sandbox/limits.h"
#include "sidecar/engine/sandbox/violation.h"

namespace pilotlight::engine::sandbox {

std::expected<std::vector<std::string>, std::string> enter(const Options& options) {
  std::vector<std::string> layers;
  // The filter last: it forbids what the others are made of.
  const bool driver = options.start_driver != nullptr;
  const bool hidden = driver ? hide_files_but_a_drivers() : hide_files();
  if (driver) options.start_driver();
  const bool limited = driver ? set_limits_for_a_driver() : set_limits(options.data_bytes);
  report_violations(options);
  if (auto filtered = filter_calls(options, hidden); !filtered) return std::unexpected(filtered.error());
  layers.emplace_back("seccomp");
  if (hidden) layers.emplace_back("landlock");
  layers.emplace_back("noNewPrivileges");  // the filter is not taken without
  if (limited) layers.emplace_back("rlimits");
  return layers;
}

}  // namespace pilotlight::engine::sandbox
