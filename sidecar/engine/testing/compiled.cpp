#include "sidecar/engine/testing/compiled.h"

#include <nlohmann/json.hpp>

namespace pilotlight::engine::testing {

std::vector<Entry> compiled_entries(const CompiledText& text) {
  const std::string folder = text.top + "data/aotinductor/model/";
  const nlohmann::json metadata = {{"AOTI_DEVICE_KEY", text.device},
                                   {"AOTI_CPU_ISA", text.instructions},
                                   {"PILOTLIGHT_INPUTS", text.inputs}};
  return {{.name = text.top + "archive_format", .content = "pt2"},
          {.name = folder + "model_metadata.json", .content = metadata.dump()},
          {.name = folder + "model.so", .content = text.library},
          {.name = text.top + "version", .content = "0"}};
}

std::string write_compiled(const CompiledText& text) {
  return write_archive(ArchiveKind::kZip, compiled_entries(text));
}

}  // namespace pilotlight::engine::testing
