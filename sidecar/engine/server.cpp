#include "sidecar/engine/server.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <expected>
#include <optional>
#include <utility>

#include "common/log/log.h"
#include "common/text/printable.h"
#include "sidecar/engine/golden.h"
#include "sidecar/engine/outputs.h"
#include "sidecar/engine/tensors.h"
#include "sidecar/wire/datatype.h"
#include "sidecar/wire/packet.h"

namespace pilotlight::engine {
namespace {

// Outputs start at multiples of this, so that whoever reads them may use wide loads.
constexpr std::uint64_t kAlignment = 64;

// What a bundle's author wrote may be part of a message, and be as long as they liked.
constexpr std::size_t kMostText = 2000;

using Tensors = std::vector<at::Tensor>;

// Reads the inputs out of the arena; an error says what the front should not have let through.
std::expected<Tensors, std::string> read_inputs(const wire::Infer& infer, const wire::Contract& contract,
                                                const wire::Arena& arena, bool pinned) {
  if (infer.tensor_count != contract.inputs.size()) {
    return std::unexpected(std::to_string(infer.tensor_count) + " inputs; the model takes " +
                           std::to_string(contract.inputs.size()));
  }
  Tensors inputs;
  for (std::uint32_t i = 0; i < infer.tensor_count; ++i) {
    const wire::Tensor& tensor = infer.tensors[i];
    const wire::TensorSpec& spec = contract.inputs[i];
    if (auto sound = wire::check_tensor(tensor, 0, arena.size()); !sound) {
      return std::unexpected("input \"" + spec.name + "\": " + sound.error());
    }
    if ((spec.datatype && *spec.datatype != tensor.datatype) || !wire::fits(spec, wire::shape_of(tensor))) {
      return std::unexpected("input \"" + spec.name + "\" is not as the contract says");
    }
    inputs.push_back(
        copy_in(tensor.datatype, wire::shape_of(tensor), arena.bytes().data() + tensor.offset, pinned));
  }
  return inputs;
}

std::optional<std::uint64_t> aligned(std::uint64_t offset) {
  if (offset > UINT64_MAX - kAlignment) return std::nullopt;
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Server::Server(Model model, wire::Contract contract, wire::Arena arena, Bundle bundle,
               wire::LoadRequest request)
    : model_(std::move(model)),
      contract_(std::move(contract)),
      arena_(std::move(arena)),
      bundle_(std::move(bundle)),
      request_(std::move(request)) {}

wire::Status Server::infer(const wire::Infer& infer, wire::ParsedResult& answer) {
  // The gradient mode holds for the copies too: nothing here is ever differentiated.
  const c10::InferenceMode no_gradients;
  Device* const device = model_.device();
  const bool pinned = device != nullptr && device->place().is_cuda();
  auto inputs = guarded([&] { return read_inputs(infer, contract_, arena_, pinned); });
  if (!inputs) {
    if (device != nullptr) check_device(*device, inputs.error().reason);
    return wire::Status::kOutOfMemory;
  }
  if (!*inputs) {
    log::Error("Refused an inference that the front should not have sent", {{"error", inputs->error()}});
    return wire::Status::kModelError;
  }
  const auto batch = batch_of(contract_, **inputs);
  const auto start = std::chrono::steady_clock::now();
  auto outputs = model_.run(**inputs);
  answer.result.compute_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count());
  if (!outputs) {
    log::Warn("The model failed on a request", {{"error", outputs.error().reason}});
    switch (outputs.error().kind) {
      case RunError::Kind::kThrew:
        return wire::Status::kModelError;
      case RunError::Kind::kOutOfMemory:
        return wire::Status::kOutOfMemory;
      case RunError::Kind::kNoTensors:
        return wire::Status::kContractBroken;
    }
  }
  if (contract_.outputs.empty()) answer.names = outputs->names;
  const auto arranged = arrange_outputs(*std::move(outputs), contract_, batch);
  if (!arranged) {
    log::Warn("The model broke its contract", {{"error", arranged.error()}});
    return wire::Status::kContractBroken;
  }
  if (request_.non_finite == wire::NonFinite::kRefuse && non_finite(*arranged, contract_)) {
    return wire::Status::kNonFinite;
  }
  auto written = guarded([&] { return write(*arranged, infer, answer); });
  return written ? *written : wire::Status::kOutOfMemory;
}

wire::Status Server::write(const Tensors& outputs, const wire::Infer& infer,
                           wire::ParsedResult& answer) const {
  if (infer.output_offset > arena_.size() || infer.output_bytes > arena_.size() - infer.output_offset) {
    log::Error("Refused an inference that the front should not have sent", {{"error", "its output region"}});
    return wire::Status::kModelError;
  }
  const std::uint64_t end = infer.output_offset + infer.output_bytes;
  std::uint64_t next = infer.output_offset;
  const auto name_fits = [](const std::string& name) {
    return !name.empty() && name.size() < wire::kNameBytes && name.find('\0') == std::string::npos;
  };
  if (!std::ranges::all_of(answer.names, name_fits)) return wire::Status::kContractBroken;
  for (const at::Tensor& output : outputs) {
    const auto start = aligned(next);
    const std::uint64_t bytes = output.numel() * output.element_size();
    if (!start || *start > end || bytes > end - *start) return wire::Status::kOutputTooLarge;
    wire::Tensor& tensor = answer.result.tensors[answer.result.tensor_count++];
    tensor.datatype = datatype_of(output.scalar_type()).value();
    tensor.rank = static_cast<std::uint32_t>(output.dim());
    std::ranges::copy(output.sizes(), tensor.shape);
    tensor.offset = *start;
    tensor.bytes = bytes;
    copy_out(output, arena_.bytes().data() + *start);
    next = *start + bytes;
  }
  return wire::Status::kOk;
}

wire::ParsedResult Server::answer(const wire::Infer& request) {
  wire::ParsedResult answer{};
  answer.result.kind = wire::Kind::kResult;
  answer.result.id = request.id;
  answer.result.status = infer(request, answer);
  if (answer.result.status != wire::Status::kOk) {
    answer.result.tensor_count = 0;
    answer.names.clear();
  }
  return answer;
}

wire::Rechecked Server::recheck(const wire::Recheck& asked) {
  wire::Rechecked answer{.id = asked.id, .golden_case = {}, .worst_error = {}, .failure = {}};
  const auto fail = [&](std::string reason, const std::string& message) {
    answer.failure = wire::Failure{.failure_class = wire::FailureClass::kPod,
                                   .reason = std::move(reason),
                                   .message = Printable(message, kMostText)};
  };
  if (asked.golden_case >= bundle_.cases.size()) {
    fail("InvalidBundle", "there is no such golden case");
    return answer;
  }
  answer.golden_case = Printable(bundle_.cases[asked.golden_case].name, kMostText);
  // As for requests.
  const c10::InferenceMode no_gradients;
  const auto report =
      guarded([&] { return rerun_golden(model_, contract_, bundle_, request_, asked.golden_case); });
  if (!report) {
    const bool memory = report.error().kind == RunError::Kind::kOutOfMemory;
    fail(memory ? "OutOfMemory" : "LoadFailed", report.error().reason);
  } else if (!*report) {
    fail(report->error().reason, report->error().message);
  } else {
    answer.worst_error = worst_error(**report);
  }
  return answer;
}

// One packet. The error says what is wrong with it.
std::expected<void, std::string> Server::serve(int socket, std::span<const std::byte> packet) {
  std::expected<void, std::error_code> sent;
  if (wire::packet_kind(packet) == wire::Kind::kRecheck) {
    const auto document = wire::packet_json(packet);
    const auto asked = document ? wire::recheck_from_json(*document) : std::unexpected(document.error());
    if (!asked) return std::unexpected("Recheck: " + asked.error());
    sent = wire::send_json(socket, wire::Kind::kRechecked, wire::to_json(recheck(*asked)));
  } else {
    const auto request = wire::parse_infer(packet);
    if (!request) return std::unexpected("Infer: " + request.error());
    const wire::ParsedResult answered = answer(*request);
    sent = wire::send_packet(socket, wire::result_bytes(answered.result, answered.names));
  }
  if (sent || sent.error() == std::errc::broken_pipe) return {};
  return std::unexpected("cannot be answered: " + sent.error().message());
}

Server::End Server::run(int socket) {
  std::vector<std::byte> buffer(wire::kMaxPacketBytes);
  for (;;) {
    const auto received = wire::receive_packet(socket, buffer);
    if (!received) {
      log::Error("Cannot receive from the front", {{"error", received.error().message()}});
      return End::kBroken;
    }
    if (received->bytes == 0) return End::kClosed;
    if (const auto served = serve(socket, std::span(buffer).first(received->bytes)); !served) {
      log::Error("Cannot serve what the front sent", {{"error", served.error()}});
      return End::kBroken;
    }
  }
}

}  // namespace pilotlight::engine
