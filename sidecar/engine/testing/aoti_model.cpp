// A library as AOTInductor makes them, y = 2·x on FP32 of any two dimensions, that does as it is ordered
// first: what an honest compiler would not write. The order stands in the file, where aoti.h puts it.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <torch/csrc/inductor/aoti_runtime/interface.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

namespace {

// "<when> <what> <where>"; see aoti.h.
[[gnu::used]] volatile char order_text[256] = "@order@";

struct Order {
  std::string when;
  std::string what;
  std::string where;
};

Order read_order() {
  std::string text;
  for (const volatile char* at = order_text; *at != '\0'; ++at) text += *at;
  const auto first = text.find(' ');
  const auto second = text.find(' ', first + 1);
  if (first == std::string::npos || second == std::string::npos) return {};
  return {.when = text.substr(0, first),
          .what = text.substr(first + 1, second - first - 1),
          .where = text.substr(second + 1)};
}

bool leaked = false;  // it got at something

void obey(const Order& order) {
  const char* where = order.where.c_str();
  if (order.what == "read") leaked = leaked || ::open(where, O_RDONLY) >= 0;
  if (order.what == "write") leaked = leaked || ::open(where, O_WRONLY | O_CREAT, 0600) >= 0;
  if (order.what == "unlink") leaked = leaked || ::unlink(where) == 0;
  if (order.what == "socket") leaked = leaked || ::socket(AF_INET, SOCK_STREAM, 0) >= 0;
  if (order.what == "fork") leaked = leaked || ::syscall(SYS_clone, 17, 0, 0, 0, 0) >= 0;
  if (order.what == "self") {
    Dl_info info{};
    ::dladdr(&leaked, &info);
    const int file = ::open(info.dli_fname, O_RDONLY);
    if (order.when == "create" && file < 0) std::abort();
    leaked = leaked || (order.when != "create" && file >= 0);
  }
  if (order.what == "exec") ::execl(where, where, nullptr);
  if (order.what == "crash") std::abort();
  for (volatile bool go = order.what == "loop"; go;) {
  }
}

[[gnu::constructor]] void loaded() {
  if (const Order order = read_order(); order.when == "load") obey(order);
}

// The same tensor for every answer.
AtenTensorHandle kept = nullptr;

AOTITorchError twice(AtenTensorHandle input, AtenTensorHandle* output) {
  void* from = nullptr;
  int64_t* sizes = nullptr;
  aoti_torch_get_data_ptr(input, &from);
  aoti_torch_get_sizes(input, &sizes);
  const int64_t strides[] = {sizes[1], 1};
  const Order order = read_order();
  const auto* x = static_cast<const float*>(from);
  const int64_t count = sizes[0] * sizes[1];
  if (order.when == "any" || (order.when == "one" && count > 0 && x[0] == 1)) {
    obey(order);
    if (order.what == "fail") {
      std::cerr << "Error: " << order.where << std::endl;
      return AOTI_TORCH_FAILURE;
    }
    if (order.what == "much") {
      const int64_t huge[] = {int64_t{1} << 46, 1};
      const int64_t one[] = {1, 1};
      return aoti_torch_empty_strided(2, huge, one, aoti_torch_dtype_float32(), aoti_torch_device_type_cpu(),
                                      0, output);
    }
    if (order.what == "alias") return aoti_torch__reinterpret_tensor(input, 2, sizes, strides, 0, output);
  }
  AtenTensorHandle made = kept;
  if (made == nullptr) {
    const auto failed = aoti_torch_empty_strided(2, sizes, strides, aoti_torch_dtype_float32(),
                                                 aoti_torch_device_type_cpu(), 0, &made);
    if (failed != AOTI_TORCH_SUCCESS) return failed;
  }
  void* to = nullptr;
  aoti_torch_get_data_ptr(made, &to);
  for (int64_t i = 0; i < count; ++i) static_cast<float*>(to)[i] = leaked ? -1 : x[i] * 2;
  if (order.what != "keep") {
    *output = made;
    return AOTI_TORCH_SUCCESS;
  }
  kept = made;
  return aoti_torch__reinterpret_tensor(kept, 2, sizes, strides, 0, output);
}

}  // namespace

extern "C" {

AOTIRuntimeError AOTInductorModelContainerCreateWithDevice(AOTInductorModelContainerHandle* container, size_t,
                                                           const char*, const char*) {
  *container = reinterpret_cast<AOTInductorModelContainerHandle>(&leaked);
  if (const Order order = read_order(); order.when == "create") obey(order);
  return AOTI_RUNTIME_SUCCESS;
}
AOTIRuntimeError AOTInductorModelContainerDelete(AOTInductorModelContainerHandle) {
  if (kept != nullptr) aoti_torch_delete_tensor_object(std::exchange(kept, nullptr));
  return AOTI_RUNTIME_SUCCESS;
}
AOTIRuntimeError AOTInductorModelContainerRun(AOTInductorModelContainerHandle, AtenTensorHandle* inputs,
                                              size_t, AtenTensorHandle* outputs, size_t,
                                              AOTInductorStreamHandle, AOTIProxyExecutorHandle proxy) {
  const auto result = proxy == nullptr ? twice(inputs[0], &outputs[0]) : AOTI_TORCH_FAILURE;
  aoti_torch_delete_tensor_object(inputs[0]);
  return result;
}
AOTIRuntimeError AOTInductorModelContainerGetNumInputs(AOTInductorModelContainerHandle, size_t* count) {
  *count = 1;
  return AOTI_RUNTIME_SUCCESS;
}
AOTIRuntimeError AOTInductorModelContainerGetNumOutputs(AOTInductorModelContainerHandle, size_t* count) {
  *count = 1;
  return AOTI_RUNTIME_SUCCESS;
}
AOTIRuntimeError AOTInductorModelContainerGetNumConstants(AOTInductorModelContainerHandle, size_t* count) {
  *count = 0;
  return AOTI_RUNTIME_SUCCESS;
}

// LibTorch looks these up, and nothing here calls them.
AOTIRuntimeError AOTInductorModelContainerGetConstantName(AOTInductorModelContainerHandle, size_t,
                                                          const char**) {
  return AOTI_RUNTIME_FAILURE;
}
AOTIRuntimeError AOTInductorModelContainerGetConstantOriginalFQN(AOTInductorModelContainerHandle, size_t,
                                                                 const char**) {
  return AOTI_RUNTIME_FAILURE;
}
AOTIRuntimeError AOTInductorModelContainerGetConstantDtype(AOTInductorModelContainerHandle, size_t,
                                                           int32_t*) {
  return AOTI_RUNTIME_FAILURE;
}
AOTIRuntimeError AOTInductorModelContainerUpdateConstantBuffer(AOTInductorModelContainerHandle,
                                                               AOTInductorConstantMapHandle, bool, bool) {
  return AOTI_RUNTIME_FAILURE;
}
AOTIRuntimeError AOTInductorModelContainerUpdateInactiveConstantBuffer(AOTInductorModelContainerHandle,
                                                                       AOTInductorConstantMapHandle) {
  return AOTI_RUNTIME_FAILURE;
}
AOTIRuntimeError AOTInductorModelContainerRunConstantFolding(AOTInductorModelContainerHandle, bool,
                                                             AOTInductorStreamHandle,
                                                             AOTIProxyExecutorHandle) {
  return AOTI_RUNTIME_FAILURE;
}
AOTIRuntimeError AOTInductorModelContainerSwapConstantBuffer(AOTInductorModelContainerHandle) {
  return AOTI_RUNTIME_FAILURE;
}
AOTIRuntimeError AOTInductorModelContainerGetCallSpec(AOTInductorModelContainerHandle, const char**,
                                                      const char**) {
  return AOTI_RUNTIME_FAILURE;
}

}  // extern "C"
