#include "sidecar/front/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "sidecar/front/scratch_note.h"
#include "sidecar/wire/fd.h"

namespace pilotlight::front {

using nlohmann::json;

Memory::Memory(const std::filesystem::path& folder, std::filesystem::path termination_log, std::string key)
    : file_(folder.empty() ? folder : folder / "verdict.json"),
      termination_log_(std::move(termination_log)),
      key_(std::move(key)) {
  std::error_code ignored;
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
}

std::optional<Memory::Verdict> Memory::recall() const {
  if (file_.empty()) return std::nullopt;
  const auto note = read_note(file_);
  if (!note.is_object() || note.value("key", json()) != key_) return std::nullopt;
  Verdict verdict;
  const auto text = [&](const char* name) {
    const auto found = note.find(name);
    return found != note.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  verdict.phase = phase_from_name(text("phase")).value_or(Phase::kStarting);
  verdict.checked = text("checked");
  verdict.graph = text("graph");
  verdict.trying = text("trying");
  if (const auto found = note.find("graphs"); found != note.end() && found->is_array()) {
    verdict.graphs = *found;
  }
  if (const auto found = note.find("failure"); found != note.end() && found->is_object()) {
    verdict.final_failure = wire::failure_from_json(*found);
  }
  if (const auto found = note.find("attempt"); found != note.end() && found->is_number_integer()) {
    verdict.attempt = found->get<int>();
  }
  return verdict;
}

void Memory::remember(const Verdict& verdict) const {
  if (file_.empty()) return;
  json note = {{"key", key_},
               {"phase", phase_name(verdict.phase)},
               {"checked", verdict.checked},
               {"graph", verdict.graph},
               {"trying", verdict.trying},
               {"attempt", verdict.attempt}};
  if (!verdict.graphs.is_null()) note["graphs"] = verdict.graphs;
  if (verdict.final_failure) note["failure"] = wire::to_json(*verdict.final_failure);
  write_note(file_, note);
}

void Memory::last_words(const std::string& text) const {
  if (termination_log_.empty()) return;
  // The kubelet makes the file; where there is none, nobody would read it.
  const wire::UniqueFd file(::open(termination_log_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!file) return;
  const auto bytes = std::min<std::size_t>(text.size(), 4096);  // what Kubernetes keeps
  if (::write(file.get(), text.data(), bytes) < 0) return;
}

}  // namespace pilotlight::front
