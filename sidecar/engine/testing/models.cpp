#include "sidecar/engine/testing/models.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/torch.h>

#include <sstream>
#include <stdexcept>

#include "sidecar/engine/tensors.h"

namespace pilotlight::engine::testing {

std::string model_file(const std::string& source,
                       const std::vector<std::pair<std::string, at::Tensor>>& parameters) {
  torch::jit::Module module("test");
  for (const auto& [name, value] : parameters) module.register_parameter(name, value, false);
  module.register_attribute("training", c10::BoolType::get(),
                            true);  // as Python saves one not told otherwise
  module.define(source);
  std::ostringstream out;
  module.save(out);
  return out.str();
}

Outcome<Model> load_source(const std::string& source) {
  const std::string file = model_file(source);
  return Model::load(bytes(file));
}

Model model_of(const std::string& source, const std::vector<std::pair<std::string, at::Tensor>>& parameters) {
  const std::string file = model_file(source, parameters);
  auto model = Model::load(bytes(file));
  if (!model) throw std::runtime_error(model.error().message);
  return *std::move(model);
}

Plain plain(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  return {.name = name,
          .datatype = datatype_of(whole.scalar_type()).value(),
          .shape = whole.sizes().vec(),
          .data = std::string(static_cast<const char*>(whole.const_data_ptr()), whole.nbytes())};
}

}  // namespace pilotlight::engine::testing
