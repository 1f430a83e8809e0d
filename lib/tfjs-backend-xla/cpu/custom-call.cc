// `products::multiply` as a custom call of XLA's programs: C = A B of [G, M, K] and [G, K, N], with the attributes
// `a_turned`, `b_turned` and `bf16`.
#include <immintrin.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>

#include "products.h"
#include "xla-ffi.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

template <typename T>
constexpr ffi::Header header() {
  return {sizeof(T), nullptr};
}

ffi::Error* failed(const ffi::Api& api, ffi::ErrorCode code, const char* message) {
  ffi::ErrorCreate args{header<ffi::ErrorCreate>(), message, code};
  return api.error_create(&args);
}

bool succeeded(const ffi::Api& api, ffi::Error* error) {
  if (error == nullptr) return true;
  ffi::ErrorDestroy args{header<ffi::ErrorDestroy>(), error};
  api.error_destroy(&args);
  return false;
}

// One loop that several threads work through, each taking the next index until none is left. It lives until the last thread has left it:
// a helper may start when the loop is over, and then finds nothing to do.
class Loop {
 public:
  Loop(int64_t count, void (*task)(void*, int64_t), void* data) : count_(count), task_(task), data_(data) {}

  void share() { users_.fetch_add(1, std::memory_order_relaxed); }
  void leave() {
    if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  void work() {
    int64_t done = 0;
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_; done++) task_(data_, i);
    if (done == 0 || done_.fetch_add(done, std::memory_order_acq_rel) + done < count_) return;
    std::lock_guard<std::mutex> lock(mutex_);
    ended_.notify_all();
  }

  // Waits for what others have begun, and for nothing else: all threads of the pool may be in calls that wait, too.
  void wait() {
    constexpr int kSpins = 1000;  // some tens of microseconds: threads mostly end together
    for (int i = 0; i < kSpins && !ended(); i++) _mm_pause();
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [this] { return ended(); });
  }

 private:
  bool ended() const { return done_.load(std::memory_order_acquire) == count_; }

  const int64_t count_;
  void (*const task_)(void*, int64_t);
  void* const data_;
  std::atomic<int64_t> next_{0}, done_{0};
  std::atomic<int> users_{1};
  std::mutex mutex_;
  std::condition_variable ended_;
};

void help(void* data) {
  auto* loop = static_cast<Loop*>(data);
  loop->work();
  loop->leave();
}

// Loops on the caller's thread and those of XLA's pool.
class Pool final : public products::Parallel {
 public:
  explicit Pool(const ffi::CallFrame& frame) : api_(*frame.api), context_(frame.context) {
    ffi::NumThreads args{header<ffi::NumThreads>(), context_, &threads_};
    if (!succeeded(api_, api_.num_threads(&args))) threads_ = 1;
  }

  int64_t threads() const override { return threads_; }

  void run(int64_t count, void (*task)(void*, int64_t), void* data) override {
    const int64_t helpers = (count < threads_ ? count : threads_) - 1;
    auto* loop = helpers > 0 ? new (std::nothrow) Loop(count, task, data) : nullptr;
    if (loop == nullptr) {
      for (int64_t i = 0; i < count; i++) task(data, i);
      return;
    }
    for (int64_t i = 0; i < helpers; i++) {
      loop->share();
      ffi::Schedule args{header<ffi::Schedule>(), context_, help, loop};
      if (!succeeded(api_, api_.schedule(&args))) loop->leave();
    }
    loop->work();
    loop->wait();
    loop->leave();
  }

 private:
  const ffi::Api& api_;
  ffi::Context* context_;
  int64_t threads_ = 1;
};

const ffi::Buffer* matrices(const ffi::Values& values, int64_t i) {
  if (values.kinds[i] != ffi::kBufferKind) return nullptr;
  const auto* buffer = static_cast<const ffi::Buffer*>(values.values[i]);
  if (buffer->type != ffi::kF32 || buffer->rank != 3) return nullptr;
  for (int axis = 0; axis < 3; axis++)
    if (buffer->dims[axis] < 1) return nullptr;
  return buffer;
}

// The attribute's value, or nothing if it is not there or no boolean.
const bool* flag(const ffi::Attributes& attributes, const char* name) {
  for (int64_t i = 0; i < attributes.count; i++) {
    const ffi::Text& text = *attributes.names[i];
    if (text.length != std::strlen(name) || std::memcmp(text.start, name, text.length) != 0) continue;
    const auto* scalar = static_cast<const ffi::Scalar*>(attributes.values[i]);
    const bool is_boolean = attributes.kinds[i] == ffi::kScalarKind && scalar->type == ffi::kPred;
    return is_boolean ? static_cast<const bool*>(scalar->value) : nullptr;
  }
  return nullptr;
}

ffi::Error* misfit(const ffi::Api& api, const ffi::Buffer* a, const ffi::Buffer* b, const ffi::Buffer* c, const products::Product& as) {
  const auto size = [](const ffi::Buffer* buffer, int axis) { return static_cast<long long>(buffer->dims[axis]); };
  char text[256];
  std::snprintf(text, sizeof text, "product: [%lld, %lld, %lld]%s and [%lld, %lld, %lld]%s do not give [%lld, %lld, %lld]",
                size(a, 0), size(a, 1), size(a, 2), as.a_turned ? " turned" : "", size(b, 0), size(b, 1), size(b, 2),
                as.b_turned ? " turned" : "", size(c, 0), size(c, 1), size(c, 2));
  return failed(api, ffi::kInvalidArgument, text);
}

ffi::Error* execute(const ffi::CallFrame& frame) {
  const ffi::Api& api = *frame.api;
  const auto refused = [&](const char* why) { return failed(api, ffi::kInvalidArgument, why); };
  if (frame.arguments.count != 2 || frame.results.count != 1) return refused("product: expected two operands and one result");
  const auto* a = matrices(frame.arguments, 0);
  const auto* b = matrices(frame.arguments, 1);
  const auto* c = matrices(frame.results, 0);
  if (a == nullptr || b == nullptr || c == nullptr) return refused("product: expected f32 of three axes, none of them empty");
  const bool* a_turned = flag(frame.attributes, "a_turned");
  const bool* b_turned = flag(frame.attributes, "b_turned");
  const bool* bf16 = flag(frame.attributes, "bf16");
  if (a_turned == nullptr || b_turned == nullptr || bf16 == nullptr)
    return refused("product: expected the booleans a_turned, b_turned and bf16");

  products::Product product;
  product.batch = a->dims[0];
  product.m = a->dims[*a_turned ? 2 : 1];
  product.k = a->dims[*a_turned ? 1 : 2];
  product.n = b->dims[*b_turned ? 1 : 2];
  product.a = static_cast<const float*>(a->data);
  product.b = static_cast<const float*>(b->data);
  product.c = static_cast<float*>(c->data);
  product.a_turned = *a_turned;
  product.b_turned = *b_turned;
  product.bf16 = *bf16;
  const bool fits = b->dims[0] == product.batch && b->dims[*b_turned ? 2 : 1] == product.k && c->dims[0] == product.batch &&
                    c->dims[1] == product.m && c->dims[2] == product.n;
  if (!fits) return misfit(api, a, b, c, product);
  if (!products::supported())
    return failed(api, ffi::kFailedPrecondition,
                  "product: no Intel AMX: the processor lacks it, or the system does not let the process use it");
  Pool pool(frame);
  if (products::multiply(product, pool)) return nullptr;
  return failed(api, ffi::kResourceExhausted, "product: no memory for the packed operands");
}

// What the frame asks for where it is no call.
ffi::MetadataExtension* metadata(const ffi::CallFrame& frame) {
  for (auto* extension = frame.header.extension; extension != nullptr; extension = extension->next)
    if (extension->type == ffi::kMetadataExtension) return reinterpret_cast<ffi::MetadataExtension*>(extension);
  return nullptr;
}

}  // namespace

EXPORTED ffi::Error* tfjs_product(ffi::CallFrame* frame) {
  if (auto* asked = metadata(*frame)) {
    asked->metadata->version = {header<ffi::Version>(), ffi::kMajor, ffi::kMinor};
    asked->metadata->traits = 0;
    return nullptr;
  }
  if (frame->stage != ffi::kExecuteStage) return nullptr;
  return execute(*frame);
}

EXPORTED int tfjs_products_supported() { return products::supported() ? 1 : 0; }
