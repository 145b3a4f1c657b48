#include "sidecar/front/api.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <random>
#include <utility>

#include "common/log/log.h"
#include "sidecar/front/answer.h"
#include "sidecar/front/documents.h"
#include "sidecar/front/non_finite.h"
#include "sidecar/front/request.h"

namespace pilotlight::front {

using http::Request;
using http::Response;

namespace {

// Whether a request has gone from one front to another, as the access log says it.
enum class Hop {
  kNone,
  kOut,    // to the candidate, which has answered
  kBack,   // to the candidate, and was answered here after all
  kIn,     // from another front
  kMirror  // from another front, which has answered it and does not wait
};

const char* hop_name(Hop hop) {
  switch (hop) {
    case Hop::kNone:
      return "";
    case Hop::kOut:
      return "out";
    case Hop::kBack:
      return "back";
    case Hop::kIn:
      return "in";
    case Hop::kMirror:
      return "mirror";
  }
  return "";
}

}  // namespace

struct Api::Context {
  std::string id;
  Route route = Route::kUnknown;
  std::optional<std::uint64_t> json_bytes;  // Inference-Header-Content-Length
  std::chrono::duration<double> timeout{};
  std::int64_t batch = 0;
  std::chrono::nanoseconds queued{};
  std::chrono::nanoseconds compute{};
  Placement placement;
  std::shared_ptr<Mirror::Kept> mirror;
  Hop hop = Hop::kNone;
  bool counted = false;
};

namespace {

// The client's own id, if it is fit to be written into logs and headers; or one of ours.
std::string request_id(const Request& request) {
  const auto given = request.field("x-request-id");
  const bool plain = !given.empty() && given.size() <= 128 && std::ranges::all_of(given, [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != '\\';
  });
  if (plain) return std::string(given);
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return std::format("{:016x}", random());
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

std::string_view media_type(const Request& request) {
  auto type = request.field("content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return type;
}

bool any_non_finite(const Inputs& inputs) {
  for (std::size_t i = 0; i < inputs.tensors.size(); ++i) {
    const auto& tensor = inputs.tensors[i];
    if (holds_non_finite(tensor.datatype, inputs.blocks[i].bytes().first(tensor.bytes))) return true;
  }
  return false;
}

// Where the outputs were refused for it, they are not there.
bool any_non_finite(const Answer& answer) {
  return answer.outcome == Outcome::kNonFinite ||
         std::ranges::any_of(answer.outputs, [](const OutputTensor& output) {
           return holds_non_finite(output.datatype, output.bytes);
         });
}

Response with_field(Response response, std::string name, std::string value) {
  response.fields.emplace_back(std::move(name), std::move(value));
  return response;
}

Response busy(std::string_view message) {
  return with_field(http::error(503, message), "retry-after", "1");
}

// What a peer is told: what the API reads, and nothing else of what the client sent.
std::string hop_head(const Request& request, std::string_view id, std::chrono::duration<double> time,
                     bool mirrored) {
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  auto head = std::format(
      "POST {} HTTP/1.1\r\nhost: hop\r\nx-request-id: {}\r\nx-request-timeout-ms: {}\r\ncontent-length: "
      "{}\r\n",
      request.path, id, std::max<std::int64_t>(1, milliseconds), request.body.size());
  for (const std::string_view name : {std::string_view("content-type"), kJsonLength}) {
    if (const auto value = request.field(name); !value.empty()) {
      head.append(name).append(": ").append(value).append("\r\n");
    }
  }
  if (mirrored) head.append(kMirrorMark).append(": 1\r\n");
  return head += "\r\n";
}

// Of a mirrored request: with every output, and bit by bit, in whatever form it was asked.
InferRequest for_comparing() {
  return {.id = {}, .inputs = {}, .outputs = {}, .binary_default = true};
}

Response hop_failed(HopFailure failure, std::string_view revision) {
  return with_field(http::error(failure == HopFailure::kTimeout ? 504 : 502,
                                std::format("revision '{}' gave no answer ({}); try again", revision,
                                            hop_failure_name(failure))),
                    "retry-after", "1");
}

}  // namespace

Api::Api(Lifecycle& lifecycle, Inferences& inferences, Metrics& metrics, Split& split, bool access_log)
    : lifecycle_(lifecycle),
      inferences_(inferences),
      metrics_(metrics),
      split_(split),
      access_log_(access_log) {}

std::expected<std::uint64_t, Response> Api::admit(Request& head) {
  const auto& identity = lifecycle_.config().identity;
  const auto context = std::make_shared<Context>();
  head.context = context;
  context->id = request_id(head);
  context->route = route_of(head.path, identity.name, identity.revision);
  if (context->route == Route::kUnknown) {
    return std::unexpected(http::error(404, "there is nothing here; GET / says what there is"));
  }
  if (context->route == Route::kOtherModel) {
    return std::unexpected(
        http::error(404, std::format("this is neither model nor version served here; those are '{}' and '{}'",
                                     identity.name, identity.revision)));
  }
  if (!allows(context->route, head.method)) {
    const std::string allowed(allowed_methods(context->route));
    return std::unexpected(
        with_field(http::error(405, std::format("the method must be {}", allowed)), "allow", allowed));
  }
  if (context->route == Route::kInfer || context->route == Route::kPredict)
    return admit_inference(head, *context);
  return 0;
}

std::expected<std::uint64_t, Response> Api::admit_hop(Request& head) {
  const auto& identity = lifecycle_.config().identity;
  const auto context = std::make_shared<Context>();
  head.context = context;
  context->id = request_id(head);
  context->hop = head.field(kMirrorMark).empty() ? Hop::kIn : Hop::kMirror;
  context->route = route_of(head.path, identity.name, identity.revision);
  if ((context->route != Route::kInfer && context->route != Route::kPredict) || head.method != "POST") {
    return std::unexpected(http::error(404, "only inferences are handed over"));
  }
  return admit_inference(head, *context);
}

std::expected<std::uint64_t, Response> Api::admit_inference(const Request& head, Context& context) {
  if (const auto encoding = head.field("content-encoding");
      !encoding.empty() && !http::same_name(encoding, "identity")) {
    return std::unexpected(
        with_field(http::error(415, "compressed bodies are not accepted; send it as it is"),
                   "accept-encoding", "identity"));
  }
  if (head.count(kJsonLength) > 1) {
    return std::unexpected(http::error(400, "Inference-Header-Content-Length is there more than once"));
  }
  if (const auto text = head.field(kJsonLength);
      context.route == Route::kInfer && head.count(kJsonLength) == 1) {
    context.json_bytes = whole_number<std::uint64_t>(text);
    if (!context.json_bytes) {
      return std::unexpected(http::error(400, "Inference-Header-Content-Length is not a number of bytes"));
    }
  }
  const auto type = media_type(head);
  const bool binary = context.json_bytes && http::same_name(type, "application/octet-stream");
  if (!type.empty() && !binary && !http::same_name(type, "application/json")) {
    return std::unexpected(http::error(415,
                                       "send Content-Type: application/json; application/octet-stream with "
                                       "Inference-Header-Content-Length for binary tensors"));
  }
  context.timeout = lifecycle_.config().endpoint_timeout;
  if (const auto text = head.field("x-request-timeout-ms"); !text.empty()) {
    const auto milliseconds = whole_number<std::uint32_t>(text);
    if (!milliseconds || *milliseconds == 0) {
      return std::unexpected(
          http::error(400, "x-request-timeout-ms is not a positive number of milliseconds"));
    }
    context.timeout = std::min(context.timeout, std::chrono::duration<double>(*milliseconds / 1000.0));
  }
  if (context.hop == Hop::kNone) context.placement = split_.place(head, context.id);
  if (auto& refusal = context.placement.refusal) return std::unexpected(*std::move(refusal));
  if (!context.placement.at_peer && !lifecycle_.serving()) return std::unexpected(not_ready());
  return lifecycle_.config().max_request_bytes;
}

Response Api::not_ready() const {
  return busy(std::format("the model is not served at the moment (phase {}); try again",
                          phase_name(lifecycle_.status().phase)));
}

void Api::serve(const std::shared_ptr<http::Exchange>& exchange) {
  auto& context = *static_cast<Context*>(exchange->request.context.get());
  if (context.placement.at_peer) return hand_over(exchange, context);
  serve_here(exchange, context);
}

void Api::hand_over(const std::shared_ptr<http::Exchange>& exchange, Context& context) {
  const auto deadline = split_.hop_deadline(
      exchange->started + std::chrono::duration_cast<http::Exchange::Clock::duration>(context.timeout));
  const auto sent = split_.hand_over(
      context.placement,
      {.head = hop_head(exchange->request, context.id, deadline - http::Exchange::Clock::now(), false),
       .body = exchange->request.body,
       .keep = exchange,
       .deadline = deadline,
       .done = [this, exchange, &context](HopResult result) {
         handed_over(exchange, context, std::move(result));
       }});
  if (!sent && context.placement.asked) {
    return exchange->respond(busy(
        std::format("no pod of revision '{}' can take the request; try again", context.placement.candidate)));
  }
  if (!sent) return serve_here(exchange, context);
  context.hop = Hop::kOut;
  exchange->on_gone = [this, &context, cancel = sent->cancel] {
    cancel();
    count(context, Verdict::kCancelled, {});
  };
}

void Api::handed_over(const std::shared_ptr<http::Exchange>& exchange, Context& context, HopResult result) {
  exchange->on_gone = nullptr;
  const bool good = result && verdict_of(result->status) != Verdict::kError;
  if (!good) count(context, result ? Verdict::kError : Verdict::kHopFailure, {});
  if (!good && split_.falls_back() && !context.placement.asked) {
    context.hop = Hop::kBack;
    return serve_here(exchange, context);
  }
  exchange->respond(result ? *std::move(result) : hop_failed(result.error(), context.placement.candidate));
}

void Api::count(Context& context, Verdict verdict, std::chrono::duration<double> took) {
  if (!std::exchange(context.counted, true)) split_.count(context.placement, verdict, took);
}

// Its tensors are in the arena now: the body is of use to a mirror only.
void Api::let_body_go(const std::shared_ptr<http::Exchange>& exchange, Context& context) {
  auto& request = exchange->request;
  if (context.placement.mirrored) {
    auto& mirror = split_.mirror();
    auto head = hop_head(request, context.id, mirror.timeout(), true);
    context.mirror = mirror.keep(context.placement.segment, std::move(head), std::move(request.body));
  }
  request.body = {};
}

Response Api::refusal(const BadRequest& bad, const Context& context) const {
  if (bad.status != 503) return http::error(bad.status, bad.message);
  return context.hop == Hop::kMirror ? http::error(kMirrorRefused, bad.message) : busy(bad.message);
}

void Api::serve_here(const std::shared_ptr<http::Exchange>& exchange, Context& context) {
  // Nobody waits for it: it is not to stand in a queue before those who do.
  if (context.hop == Hop::kMirror && !inferences_.takes_at_once()) {
    return exchange->respond(http::error(kMirrorRefused, "the engine has enough to do"));
  }
  switch (context.route) {
    case Route::kInfer:
      return infer(exchange, context);
    case Route::kPredict:
      return predict(exchange, context);
    default:
      return exchange->respond(document(context.route));
  }
}

Response Api::document(Route route) const {
  const auto& identity = lifecycle_.config().identity;
  const auto* contract = lifecycle_.contract();
  switch (route) {
    case Route::kIndex:
      return {.body = index_document(identity)};
    case Route::kOpenApi:
      return {.body = openapi_document(identity, contract)};
    case Route::kServer:
      return {.body = server_document()};
    case Route::kServerLive:
      return {.body = R"({"live":true})"};
    case Route::kServerReady:
      return lifecycle_.ready() ? Response{.body = R"({"ready":true})"} : not_ready();
    case Route::kModelReady:
      return lifecycle_.ready()
                 ? Response{.body = std::format(R"({{"name":"{}","ready":true}})", identity.name)}
                 : not_ready();
    case Route::kModel:
      return contract != nullptr
                 ? Response{.body = model_document(identity, *contract, lifecycle_.status().proof)}
                 : not_ready();
    default:
      return http::error(404, "there is nothing here");
  }
}

void Api::infer(const std::shared_ptr<http::Exchange>& exchange, Context& context) {
  if (!lifecycle_.serving()) return exchange->respond(not_ready());
  auto request =
      parse_infer(exchange->request.body, context.json_bytes, *lifecycle_.contract(), inferences_.heap());
  if (!request) return exchange->respond(refusal(request.error(), context));
  let_body_go(exchange, context);
  auto inputs = std::move(request->inputs);
  if (context.hop == Hop::kMirror) request = for_comparing();
  submit(exchange, context, std::move(inputs),
         [this, request = std::make_shared<InferRequest>(*std::move(request))](const Answer& answer) {
           const auto& identity = lifecycle_.config().identity;
           return infer_answer(*request, answer, identity.name, identity.revision);
         });
}

void Api::predict(const std::shared_ptr<http::Exchange>& exchange, Context& context) {
  if (!lifecycle_.serving()) return exchange->respond(not_ready());
  auto request = parse_predict(exchange->request.body, *lifecycle_.contract(), inferences_.heap());
  if (!request) return exchange->respond(refusal(request.error(), context));
  let_body_go(exchange, context);
  submit(exchange, context, std::move(request->inputs),
         [this, single = request->single, hop = context.hop](const Answer& answer) {
           const auto& identity = lifecycle_.config().identity;
           if (hop == Hop::kMirror) {
             return infer_answer(for_comparing(), answer, identity.name, identity.revision);
           }
           return predict_answer(single, answer, *lifecycle_.contract());
         });
}

void Api::submit(const std::shared_ptr<http::Exchange>& exchange, Context& context, Inputs inputs,
                 std::function<Response(const Answer&)> render) {
  if (any_non_finite(inputs)) metrics_.non_finite_inputs();
  const auto& first = inputs.tensors.front();
  context.batch = first.rank > 0 && wire::has_batch_dimension(*lifecycle_.contract()) ? first.shape[0] : 1;
  const auto deadline =
      exchange->started + std::chrono::duration_cast<http::Exchange::Clock::duration>(context.timeout);
  const auto id = inferences_.submit(
      std::move(inputs), deadline,
      [this, exchange, &context, render = std::move(render)](const Answer& answer) {
        context.queued = answer.queued;
        context.compute = answer.compute;
        metrics_.inferred(answer, context.batch, http::Exchange::Clock::now() - exchange->started);
        if (any_non_finite(answer)) metrics_.non_finite_outputs();
        auto kept = std::exchange(context.mirror, nullptr);
        if (answer.outcome != Outcome::kOk) {
          return exchange->respond(failure_answer(answer.outcome, context.id));
        }
        auto response = render(answer);
        if (kept && response.status == 200) split_.mirror().send(std::move(kept), answer.outputs);
        exchange->respond(std::move(response));
      });
  if (id == 0) {
    metrics_.rejected();
    return exchange->respond(busy("too many requests are waiting; try again"));
  }
  exchange->on_gone = [this, id, &context] {
    inferences_.cancel(id);
    count(context, Verdict::kCancelled, {});
  };
}

void Api::finish(Request& request, Response& response, http::Exchange::Clock::time_point started) {
  auto* context = static_cast<Context*>(request.context.get());
  const auto id = context != nullptr ? context->id : request_id(request);
  const auto route = context != nullptr ? context->route : Route::kUnknown;
  const auto took = std::chrono::duration<double>(http::Exchange::Clock::now() - started);
  response.fields.emplace_back("x-request-id", id);
  const auto hop = context != nullptr ? context->hop : Hop::kNone;
  const auto& revision =
      hop == Hop::kOut ? context->placement.candidate : lifecycle_.config().identity.revision;
  response.fields.emplace_back("x-pilotlight-revision", revision);
  if (hop == Hop::kMirror) {
    metrics_.mirrored(response.status);
  } else {
    metrics_.answered(route, response.status, took);
  }
  if (context != nullptr) count(*context, verdict_of(response.status), took);
  if (!access_log_) return;
  const auto microseconds = [](auto time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  };
  log::Info("Request", {{"request_id", id},
                        {"method", request.method},
                        {"route", route_name(route)},
                        {"revision", revision},
                        {"hop", hop_name(hop)},
                        {"status", std::uint64_t{response.status}},
                        {"batch", context != nullptr ? context->batch : 0},
                        {"bytes_out", std::uint64_t{response.body.size()}},
                        {"total_us", microseconds(took)},
                        {"queue_us", context != nullptr ? microseconds(context->queued) : 0},
                        {"compute_us", context != nullptr ? microseconds(context->compute) : 0}});
}

}  // namespace pilotlight::front
